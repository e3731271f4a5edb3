"""Faults of a configuration: collected with their places, told once each, in the order of the file."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from sauce_janitor.errors import Problem

Path: TypeAlias = tuple[str | int, ...]
"""The way from the document's root to a value: keys and list positions (from 0)."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_SHOWN = 60


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in its file; both count from 1."""

    line: int
    column: int


class Faults:
    """All faults of one file. A value that was reported is reported once: what follows from it is left out."""

    def __init__(self, file: str, places: dict[Path, Place]) -> None:
        self._file = file
        self._places = places
        self._found: list[tuple[Place, Problem]] = []
        self._reported: set[Path] = set()

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: Path, message: str, *, at: Place | None = None) -> None:
        """Note a fault of the value at `path`, unless it or something it is part of has been reported."""
        if any(path[:length] in self._reported for length in range(1, len(path) + 1)):
            return
        self._reported.add(path)
        place = at or self.place_of(path)
        self._found.append((place, Problem(message, self._file, place.line, path_text(path))))

    def add_beside(self, path: Path, message: str, *, at: Place) -> None:
        """Note a fault at `path` that leaves the value there good, such as a second key of the same name."""
        self._found.append((at, Problem(message, self._file, at.line, path_text(path))))

    def place_of(self, path: Path) -> Place:
        """Where the value stands, or the nearest thing around it that is in the file."""
        for length in range(len(path), -1, -1):
            place = self._places.get(path[:length])
            if place is not None:
                return place
        return Place(1, 1)

    def problems(self) -> tuple[Problem, ...]:
        """Everything found, as it stands in the file."""
        return tuple(problem for _, problem in sorted(self._found, key=lambda found: (found[0], found[1].path)))


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
    """`; did you mean X?` for the known word nearest to `word`, or nothing when none is near. Case does not matter."""
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
