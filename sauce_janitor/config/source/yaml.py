"""A strict YAML reader: it returns plain values with their positions, and all problems of the file.

Strict means: UTF-8 without a byte order mark, at most 256 KiB, one document, no duplicate keys,
anchors, aliases, merge keys or tags, no tab in an indentation, no scalar that YAML readers disagree
on (see `scalars`). It works on the events of libyaml.
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
from sauce_janitor.config.source.text import decoded, has_tabs

SECRET_KEYS: Final = frozenset({"access_key", "hash", "token", "url"})
"""A value below one of these keys may be a secret, and is never part of a message."""
_DEEPEST = 40
_SIGN_ERRORS: Final = ("an alias", "an anchor", "a tag", "cannot start any token")
"""Words of libyaml's messages on text that begins with a sign of YAML."""


class Table(dict[str, "Value"]):
    """A mapping that knows its path."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path


Value: TypeAlias = Scalar | list["Value"] | Table


@dataclass(slots=True)
class Document:
    """The values of a file, the position of each, and the problems so far.

    `root` is a Table unless the file is invalid. `origins` has the values that included files
    added: their file, and their path there. `included` are those files.
    """

    file: str
    root: Value = None
    places: dict[Path, FilePosition] = field(default_factory=dict)
    origins: dict[Path, tuple[str, Path]] = field(default_factory=dict)
    included: tuple[FilePath, ...] = ()
    problems: ConfigProblems = field(init=False)

    def __post_init__(self) -> None:
        self.problems = ConfigProblems(self.file, self.places, self.origins)

    def holds(self, path: Path) -> bool:
        """Return whether there is a value at `path`."""
        return path in self.places


class _EndedError(Exception):
    """The rest of the file cannot be read."""


def read(data: bytes, file: str) -> Document:
    """Return the document in `data`, the bytes of a file, with its problems.

    `file` is the name in messages.
    """
    document = Document(file, places={(): FilePosition(1, 1)})
    text = decoded(data, document.problems)
    if text is None or has_tabs(text, document.problems):
        return document
    try:
        _Builder(document, text).build()
    except _EndedError:
        pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = FilePosition(mark.line + 1, mark.column + 1) if mark else FilePosition(1, 1)
        context = f" ({error.context})" if error.context else ""
        remedy = "indent with spaces, quote text with : or #"
        # `*-PR*`, `@x`, `%x`: these are signs of YAML itself, and libyaml's message does not
        # mention quotes.
        reason = f"{error.problem} {error.context}"
        if any(words in reason for words in _SIGN_ERRORS):
            remedy = "quote text that begins with * & ! % @ or `"
        message = f"is not YAML: {error.problem}{context} at column {place.column}; {remedy}"
        document.problems.add_beside((), message, at=place)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        document.problems.add_beside(
            (),
            f"has a control character (U+{error.character:04X}): remove it",
            at=FilePosition(line, 1),
        )
    return document


class _Builder:
    """Turns libyaml's events for one file into values."""

    def __init__(self, document: Document, text: str) -> None:
        self._document = document
        self._faults = document.problems
        self._events: Iterator[Event] = iter(yaml.parse(text, Loader=yaml.CSafeLoader))

    def build(self) -> None:
        """Read the first document. A second one is a problem."""
        start = next(event for event in self._events if not isinstance(event, StreamStartEvent))
        if not isinstance(start, DocumentStartEvent):
            self._faults.add((), "is empty: create a configuration with `sauce-janitor init`")
            return
        # `%YAML 1.1` would change what plain words mean.
        if start.version or start.tags:
            self._faults.add_beside((), "has a % directive: remove it", at=_place(start))
        self._document.root = self._value(next(self._events), ())
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                message = "has a second document: write one configuration in a file"
                self._faults.add_beside((), message, at=_place(event))
                return

    def _value(self, event: Event, path: Path) -> Value:
        # Aliases of aliases can grow a small file to gigabytes, and a reader of the file has to
        # look elsewhere.
        if isinstance(event, AliasEvent):
            self._faults.add(path, _about_alias(event.anchor), at=_place(event))
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
            # Python's recursion would end this, with a traceback instead of a sentence.
            self._faults.add(path[:1], f"is nested deeper than {_DEEPEST} levels", at=_place(event))
            raise _EndedError
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        assert isinstance(event, MappingStartEvent)
        return self._mapping(path)

    def _scalar(self, event: ScalarEvent, path: Path) -> Scalar:
        # Quoted or a block: it is text, whatever it looks like.
        if not event.implicit[0]:
            return event.value
        try:
            return plain_scalar(event.value)
        except ValueError as error:
            # The message quotes the value and may end up in a log. The grammar refuses a literal
            # secret anyway.
            if SECRET_KEYS.isdisjoint(path):
                self._faults.add(path, str(error))
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
            # YAML readers take the first or the last of two keys, or refuse them.
            if key in table:
                first = self._document.places[below].line
                self._faults.add_beside(
                    below, f"is given twice (first in line {first}): keep one", at=_place(event)
                )
                self._skip(next(self._events))
                continue
            self._document.places[below] = _place(event)
            # Set first, so that the key counts as given even if its value ends the file.
            table[key] = None
            table[key] = self._value(next(self._events), below)
        return table

    def _key(self, event: Event, path: Path) -> str | None:
        """Return the text of the key; None, with a problem, for one that cannot be a key."""
        at = _place(event)
        if not isinstance(event, ScalarEvent) or event.anchor or event.tag:
            self._faults.add_beside(path, "has a key that is not plain text", at=at)
            if isinstance(event, SequenceStartEvent | MappingStartEvent):
                self._skip(event)
            return None
        # A quoted `<<` is a key like any other.
        if event.value == "<<" and event.implicit[0]:
            self._faults.add_beside(path, "`<<` is a merge key: write the keys out", at=at)
            return None
        if event.value == "":
            self._faults.add_beside(path, "has an empty key: remove it", at=at)
            return None
        return event.value

    def _skip(self, event: Event) -> None:
        """Skip the events of one value."""
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
    # libyaml gives every event a mark.
    assert mark is not None
    return FilePosition(mark.line + 1, mark.column + 1)


def _about_alias(name: str | None) -> str:
    return f'`*{name}` is an alias: write the value out, or "*{name}" in quotes if it is a pattern'


def _instead_of_tag(event: NodeEvent) -> str:
    """Return what to write instead of a tag."""
    if _short_tag(event).startswith("!!"):
        return "remove it"
    # A tag that is not YAML's own, such as `!main`, is probably meant as a pattern.
    return "remove it, or quote text that begins with !"


def _short_tag(event: NodeEvent) -> str:
    return str(getattr(event, "tag", "")).replace("tag:yaml.org,2002:", "!!")
