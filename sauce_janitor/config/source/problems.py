"""Faults of a configuration: collected with their places, told once each, in the order of the
file.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from sauce_janitor.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
"""The way from the document's root to a value: keys and list positions (from 0)."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHOWN = 60


@dataclass(frozen=True, slots=True, order=True)
class FilePosition:
    """Where something stands in its file; both count from 1."""

    line: int
    column: int


class ConfigProblems:
    """All faults of a configuration. A value that was reported is reported once: what follows from
    it is left out.

    `origins` are the values that come from included files: the file, and the value's path there.
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
        """Note a fault of the value at `path`, unless it or something it is part of has been
        reported.
        """
        if any(path[:length] in self._reported for length in range(1, len(path) + 1)):
            return
        self._reported.add(path)
        self._note(path, message, at or self.place_of(path))

    def add_beside(self, path: Path, message: str, *, at: FilePosition) -> None:
        """Note a fault at `path` that leaves the value there good, such as a second key of the same
        name.
        """
        self._note(path, message, at)

    def absorb(self, other: ConfigProblems, moved: Callable[[Path], Path]) -> None:
        """Take in all that was found in an included file; `moved` says where a value of that file
        stands in the whole.
        """
        self._found += other._found
        self._reported |= {moved(path) for path in other._reported if path}

    def forget(self, sections: Collection[str]) -> int:
        """Drop what was found in these top-level keys of the file; how many faults those are."""
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
        """The message with the file, line and path of the value that it is about."""
        file, own = self._origin(path)
        return Problem(message, file, (at or self.place_of(path)).line, path_text(own))

    def line_of(self, path: Path, *, seen_from: Path) -> str:
        """`line 7`, or `team.yaml:7` where the other value stands in another file."""
        file, line = self._origin(path)[0], self.place_of(path).line
        return f"line {line}" if file == self._origin(seen_from)[0] else f"{file}:{line}"

    def _origin(self, path: Path) -> tuple[str, Path]:
        file, own = self._origins.get(path[:2], (self._file, path[:2]))
        return file, (*own, *path[2:])

    def place_of(self, path: Path) -> FilePosition:
        """Where the value stands, or the nearest thing around it that is in the file."""
        for length in range(len(path), -1, -1):
            place = self._places.get(path[:length])
            if place is not None:
                return place
        return FilePosition(1, 1)

    def problems(self) -> tuple[Problem, ...]:
        """Everything found, as it stands in the file; then what stands in included files."""
        return self.in_order(self._found)

    def in_order(self, found: Iterable[tuple[FilePosition, Problem]]) -> tuple[Problem, ...]:
        """The problems by file, the including one first, and by place."""

        def key(each: tuple[FilePosition, Problem]) -> tuple[bool, str, FilePosition, str]:
            place, problem = each
            return problem.file != self._file, problem.file, place, problem.path

        return tuple(problem for _, problem in sorted(found, key=key))


def path_text(path: Path) -> str:
    """The path as people write it: `policies[2].then.delete_job`."""
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
    """A value as a message quotes it: short, on one line, YAML's words for null, true and false."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else str(value)
    text = text.strip("'") if isinstance(value, str) and not value.isprintable() else text
    return f"`{text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}`"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?` for the known word nearest to `word`, or nothing when none is near. Case
    does not matter.
    """
    folded = {name.lower(): name for name in known}
    for spelling in (word.lower(), word.lower().replace("-", "_")):
        near = difflib.get_close_matches(spelling, folded, n=1, cutoff=0.6)
        if near:
            return f"; did you mean `{folded[near[0]]}`?"
    return ""


def listed(words: Iterable[str]) -> str:
    """`a, b or c`."""
    *most, last = list(words)
    return f"{', '.join(most)} or {last}" if most else last
