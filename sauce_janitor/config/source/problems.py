"""Collects the problems of a configuration with their places, each once, in file order."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from sauce_janitor.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
"""The path from the document's root to a value: keys and list positions (from 0)."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHOWN = 60


@dataclass(frozen=True, slots=True, order=True)
class FilePosition:
    """A position in a file; line and column count from 1."""

    line: int
    column: int


class ConfigProblems:
    """All problems of a configuration.

    A value is reported once; further problems of it or of a value below it are left out. `origins`
    are the values from included files: the file, and the path there.
    """

    def __init__(
        self,
        file: str,
        places: dict[Path, FilePosition],
        origins: dict[Path, tuple[str, Path]] | None = None,
    ) -> None:
        self._file = file
        self._places = places
        self._origins = {} if origins is None else origins
        self._found: list[tuple[FilePosition, Problem]] = []
        self._reported: set[Path] = set()

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: Path, message: str, *, at: FilePosition | None = None) -> None:
        """Add a problem of the value at `path`, unless it or a value above it was reported."""
        # A wrong value often breaks several rules; the first message is enough to fix it.
        if any(path[:length] in self._reported for length in range(1, len(path) + 1)):
            return
        self._reported.add(path)
        self._note(path, message, at or self.place_of(path))

    def add_beside(self, path: Path, message: str, *, at: FilePosition) -> None:
        """Add a problem near `path` that does not count as one of its value.

        An example is a second key of the same name: the first one is still checked.
        """
        self._note(path, message, at)

    def absorb(self, other: ConfigProblems, moved: Callable[[Path], Path]) -> None:
        """Add all problems of an included file.

        `moved` turns a path of that file into a path of the whole document.
        """
        self._found += other._found
        self._reported |= {moved(path) for path in other._reported if path}

    def forget(self, sections: Collection[str]) -> int:
        """Remove the problems below these top-level keys, and return how many there were."""
        kept = [
            each
            for each in self._found
            if re.split(r"[.\[]", each[1].path, maxsplit=1)[0] not in sections
        ]
        dropped = len(self._found) - len(kept)
        self._found = kept
        return dropped

    def _note(self, path: Path, message: str, place: FilePosition) -> None:
        self._found.append((place, self.problem(path, message, at=place)))

    def problem(self, path: Path, message: str, *, at: FilePosition | None = None) -> Problem:
        """Return the message with the file, line and path of its value."""
        file, own = self._origin(path)
        return Problem(message, file, (at or self.place_of(path)).line, path_text(own))

    def line_of(self, path: Path, *, seen_from: Path) -> str:
        """Return `line 7`, or `team.yaml:7` if the value is in another file than `seen_from`."""
        file, line = self._origin(path)[0], self.place_of(path).line
        return f"line {line}" if file == self._origin(seen_from)[0] else f"{file}:{line}"

    def _origin(self, path: Path) -> tuple[str, Path]:
        file, own = self._origins.get(path[:2], (self._file, path[:2]))
        return file, (*own, *path[2:])

    def place_of(self, path: Path) -> FilePosition:
        """Return the position of the value, or of the nearest value above it in the file."""
        # A missing key has no place of its own.
        for length in range(len(path), -1, -1):
            place = self._places.get(path[:length])
            if place is not None:
                return place
        return FilePosition(1, 1)

    def all(self) -> tuple[Problem, ...]:
        """Return all problems in the order of the file, then those of included files."""
        return self.in_order(self._found)

    def in_order(self, found: Iterable[tuple[FilePosition, Problem]]) -> tuple[Problem, ...]:
        """Return the problems by file, the main one first, and by position."""

        def key(each: tuple[FilePosition, Problem]) -> tuple[bool, str, FilePosition, str]:
            place, problem = each
            return problem.file != self._file, problem.file, place, problem.path

        return tuple(problem for _, problem in sorted(found, key=key))


def path_text(path: Path) -> str:
    """Return the path as people write it: `policies[2].then.delete_job`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part)}]"
    return text


def shown(value: object) -> str:
    """Return a value as messages quote it: short, on one line, and as YAML writes it."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else str(value)
    text = text.strip("'") if isinstance(value, str) and not value.isprintable() else text
    if len(text) > _SHOWN:
        text = f"{text[: _SHOWN - 1]}…"
    return f"`{text}`"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean X?` for the known word that is most similar, empty if none is.

    Case does not matter.
    """
    folded = {name.lower(): name for name in known}
    # Configuration files of other tools write keys with dashes.
    for spelling in (word.lower(), word.lower().replace("-", "_")):
        near = difflib.get_close_matches(spelling, folded, n=1, cutoff=0.6)
        if near:
            return f"; did you mean `{folded[near[0]]}`?"
    return ""


def listed(words: Iterable[str]) -> str:
    """Return `a, b or c`."""
    *most, last = list(words)
    return f"{', '.join(most)} or {last}" if most else last
