"""Strict YAML: text to plain values with the place of each, or every fault of the file.

Strict means: UTF-8 without a byte order mark, at most 256 KiB, one document, no duplicate keys,
anchors, aliases, merge keys or tags, no tab in an indentation, no scalar that YAML readers disagree
on (see `scalars`). Built on libyaml's events.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Final, TypeAlias

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamStartEvent,
)

from sauce_janitor.config.source.problems import ConfigProblems, FilePosition, Path
from sauce_janitor.config.source.scalars import Scalar, plain_scalar

LARGEST_FILE_BYTES: Final = 256 * 1024
SECRET_KEYS: Final = frozenset({"access_key", "token", "url"})
"""Below these no value is ever part of a message."""
_DEEPEST = 40
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


class Table(dict[str, "Value"]):
    """A mapping that knows where it stands."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


Value: TypeAlias = Scalar | list["Value"] | Table


@dataclass(slots=True)
class Document:
    """What a file says (`root` is a Table unless the file is wrong), where each value stands, and
    the faults so far.

    `origins` has the values that other files added: their file, and their path there; `included`
    are those files.
    """

    file: str
    root: Value = None
    places: dict[Path, FilePosition] = field(default_factory=dict)
    origins: dict[Path, tuple[str, Path]] = field(default_factory=dict)
    included: tuple[FilePath, ...] = ()
    faults: ConfigProblems = field(init=False)

    def __post_init__(self) -> None:
        self.faults = ConfigProblems(self.file, self.places, self.origins)

    def holds(self, path: Path) -> bool:
        """Whether there is a value at `path`."""
        return path in self.places


class _EndedError(Exception):
    """The rest of the file cannot be read."""


def read(data: bytes, file: str) -> Document:
    """The document in `data`, a file's bytes; its `faults` has what is wrong with it. `file` is its
    name in messages.
    """
    document = Document(file, places={(): FilePosition(1, 1)})
    text = _decoded(data, document.faults)
    if text is None or _tabs(text, document.faults):
        return document
    try:
        _Builder(document, text).build()
    except _EndedError:
        pass
    except yaml.MarkedYAMLError as wrong:
        mark = wrong.problem_mark or wrong.context_mark
        place = FilePosition(mark.line + 1, mark.column + 1) if mark else FilePosition(1, 1)
        context = f" ({wrong.context})" if wrong.context else ""
        remedy = "indent with spaces, quote text with : or #"
        # `*-PR*`, `@x`, `%x`: YAML reads its own signs there, and its message says nothing of
        # quotes
        told = f"{wrong.problem} {wrong.context}"
        if any(
            words in told for words in ("an alias", "an anchor", "a tag", "cannot start any token")
        ):
            remedy = "quote text that begins with * & ! % @ or `"
        message = f"is not YAML: {wrong.problem}{context} at column {place.column}; {remedy}"
        document.faults.add_beside((), message, at=place)
    except yaml.reader.ReaderError as wrong:
        line = text.count("\n", 0, wrong.position) + 1
        document.faults.add_beside(
            (),
            f"has a control character (U+{wrong.character:04X}): remove it",
            at=FilePosition(line, 1),
        )
    return document


def _decoded(data: bytes, faults: ConfigProblems) -> str | None:
    if len(data) > LARGEST_FILE_BYTES:
        faults.add(
            (),
            f"is larger than {LARGEST_FILE_BYTES // 1024} KiB: no configuration needs that; is it"
            " the right file?",
        )
        return None
    if data.startswith(_BOMS):
        faults.add((), "starts with a byte order mark: save it as UTF-8 without one")
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as wrong:
        line = data.count(b"\n", 0, wrong.start) + 1
        faults.add(
            (),
            f"is not UTF-8 (byte 0x{data[wrong.start]:02x}): save it as UTF-8",
            at=FilePosition(line, 1),
        )
        return None


def _tabs(text: str, faults: ConfigProblems) -> bool:
    """Report every line that is indented with a tab: such a line means different things to
    different readers.
    """
    found = False
    if "\t" in text:
        for number, line in enumerate(text.split("\n"), start=1):
            indentation = line[: len(line) - len(line.lstrip(" \t"))]
            if "\t" in indentation and line.strip():
                found = True
                column = indentation.index("\t") + 1
                faults.add_beside(
                    (),
                    f"has a tab in the indentation (column {column}): use spaces",
                    at=FilePosition(number, column),
                )
    return found


class _Builder:
    """Turns libyaml's events into values; one object a file."""

    def __init__(self, document: Document, text: str) -> None:
        self._document = document
        self._faults = document.faults
        self._events: Iterator[Event] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))

    def build(self) -> None:
        """Read the one document there may be."""
        start = next(event for event in self._events if not isinstance(event, StreamStartEvent))
        if not isinstance(start, DocumentStartEvent):
            self._faults.add((), "is empty: `sauce-janitor init` writes one to start from")
            return
        if start.version or start.tags:
            self._faults.add_beside((), "has a % directive: remove it", at=_place(start))
        self._document.root = self._value(next(self._events), ())
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                message = "holds a second document: one file is one configuration"
                self._faults.add_beside((), message, at=_place(event))
                return

    def _value(self, event: Event, path: Path) -> Value:
        if isinstance(event, AliasEvent):
            self._faults.add(path, _told_of_alias(event.anchor), at=_place(event))
            return None
        assert isinstance(event, NodeEvent)
        if event.anchor is not None:
            self._faults.add_beside(
                path,
                f"`&{event.anchor}` is an anchor: write values out where they are used, and quote"
                " text that begins with &",
                at=_place(event),
            )
        if getattr(event, "tag", None) is not None:
            self._faults.add(
                path,
                f"`{_short_tag(event)}` is a YAML tag: {_instead_of_tag(event)}",
                at=_place(event),
            )
        if len(path) > _DEEPEST:
            self._faults.add(path[:1], f"is nested deeper than {_DEEPEST} levels", at=_place(event))
            raise _EndedError
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        assert isinstance(event, MappingStartEvent)
        return self._mapping(path)

    def _scalar(self, event: ScalarEvent, path: Path) -> Scalar:
        if not event.implicit[0]:
            return event.value
        try:
            return plain_scalar(event.value)
        except ValueError as wrong:
            # A message may end up in a log, and the grammar refuses a literal secret anyhow.
            if SECRET_KEYS.isdisjoint(path):
                self._faults.add(path, str(wrong))
            return event.value

    def _sequence(self, path: Path) -> list[Value]:
        values: list[Value] = []
        for event in self._events:
            if isinstance(event, SequenceEndEvent):
                break
            place = (*path, len(values))
            self._document.places[place] = _place(event)
            values.append(self._value(event, place))
        return values

    def _mapping(self, path: Path) -> Table:
        table = Table(path)
        for event in self._events:
            if isinstance(event, MappingEndEvent):
                break
            key = self._key(event, path)
            if key is None:
                self._skip(next(self._events))
                continue
            below = (*path, key)
            if key in table:
                first = self._document.places[below].line
                self._faults.add_beside(
                    below, f"is given twice (first in line {first}): keep one", at=_place(event)
                )
                self._skip(next(self._events))
                continue
            self._document.places[below] = _place(event)
            table[key] = None
            table[key] = self._value(next(self._events), below)
        return table

    def _key(self, event: Event, path: Path) -> str | None:
        """The key's text, or None for one that cannot be a key (reported)."""
        at = _place(event)
        if not isinstance(event, ScalarEvent) or event.anchor or event.tag:
            self._faults.add_beside(path, "has a key that is not plain text", at=at)
            if isinstance(event, SequenceStartEvent | MappingStartEvent):
                self._skip(event)
            return None
        if event.value == "<<" and event.implicit[0]:
            self._faults.add_beside(path, "`<<` is a merge key: write the keys out", at=at)
            return None
        if event.value == "":
            self._faults.add_beside(path, "has an empty key: remove it", at=at)
            return None
        return event.value

    def _skip(self, event: Event) -> None:
        """Pass over a value that is not wanted."""
        depth = 0
        while True:
            if isinstance(event, SequenceStartEvent | MappingStartEvent):
                depth += 1
            elif isinstance(event, SequenceEndEvent | MappingEndEvent):
                depth -= 1
            if depth == 0:
                return
            event = next(self._events)


def _place(event: Event) -> FilePosition:
    mark = event.start_mark
    assert mark is not None  # libyaml marks every event
    return FilePosition(mark.line + 1, mark.column + 1)


def _told_of_alias(name: str | None) -> str:
    return f'`*{name}` is an alias: write the value out, or "*{name}" in quotes if it is a pattern'


def _instead_of_tag(event: NodeEvent) -> str:
    """What to write instead; a tag of the file's own, `!main`, is more often a pattern."""
    return (
        "remove it"
        if _short_tag(event).startswith("!!")
        else "remove it, or quote text that begins with !"
    )


def _short_tag(event: NodeEvent) -> str:
    return str(getattr(event, "tag", "")).replace("tag:yaml.org,2002:", "!!")
