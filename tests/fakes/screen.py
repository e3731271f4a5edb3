"""A terminal that keeps what is left on its screen: lines that are drawn over or erased are gone,
as for a person.
"""

from __future__ import annotations

import io
import re

_PIECE = re.compile(r"\x1b\[([?0-9;]*)([A-Za-z])|\x1b\]8;[^\x1b]*\x1b\\|([\r\n])|([^\r\n\x1b]+)")


class Screen(io.StringIO):
    """Takes the place of sys.stdout and sys.stderr; both can be the same screen. Styles are
    dropped.
    """

    encoding = "utf-8"

    def __init__(self) -> None:
        super().__init__()
        self._lines = [""]
        self._row = self._column = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        for found in _PIECE.finditer(text):
            arguments, command, end, plain = found.groups()
            if command:
                self._move(command, int(arguments) if arguments.isdigit() else 1)
            elif end == "\r":
                self._column = 0
            elif end == "\n":
                self._row, self._column = self._row + 1, 0
                self._lines += [""] * (self._row + 1 - len(self._lines))
            elif plain:
                line = self._lines[self._row].ljust(self._column)
                self._lines[self._row] = (
                    line[: self._column] + plain + line[self._column + len(plain) :]
                )
                self._column += len(plain)
        return len(text)

    def _move(self, command: str, count: int) -> None:
        if command == "A":
            self._row = max(0, self._row - count)
        elif command == "K":  # rich erases whole lines only
            self._lines[self._row] = ""

    @property
    def text(self) -> str:
        """What a person sees after all of it, without blanks at the ends of lines."""
        return "\n".join(line.rstrip(" ") for line in self._lines).rstrip("\n") + "\n"
