"""Values as JSON: the only place that turns a value into keys.

A command says which keys its output has, and prints it:

    HOLD = Shape("job_id", "by", "reason", time("at"), key("known", "in_state"))
    json_output.write(holds, HOLD)

Keys stand in the order of the shape. Scripts read them, so a key never changes: where a field is
renamed, `key` keeps the old name in the output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from operator import attrgetter
from typing import Any, Final, TypeAlias

from sauce_janitor import terminal
from sauce_janitor.times import iso

Source: TypeAlias = str | Callable[[Any], object]
"""Where a key's value is: an attribute, also of an attribute (`hold.by`), or a function."""


_PLAIN: Final = frozenset({str, int, float, bool, type(None)})
"""Types, not their sub-classes: an enum may be a text."""


def to_json(value: object, shape: Shape | None = None) -> Any:
    """Return a value of dictionaries, lists, texts and numbers, ready to be written as JSON.

    With a shape, `value` is one object, None, or several. Without one, a dataclass has all its
    fields, an enum is its value, a set is sorted, and what could not be read is null.
    """
    if shape is not None:
        if value is None:
            return None
        # A mapping is one object, although it can be walked through.
        if isinstance(value, Iterable) and not isinstance(value, Mapping):
            return [shape.row(each) for each in value]
        return shape.row(value)
    # An enum may be a text, too: it comes first.
    if isinstance(value, Enum):
        from sauce_janitor.model.jobs import UNKNOWN

        return None if value is UNKNOWN else value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {to_json(name): to_json(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(map(to_json, value))
    if isinstance(value, Iterable):
        return list(map(to_json, value))
    if is_dataclass(value):
        return {each.name: to_json(getattr(value, each.name)) for each in fields(value)}
    raise TypeError(f"no JSON for {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an object: its name, how its value is found, and how that becomes JSON.

    Without a name, the value is an object of which the keys are put here.
    """

    name: str
    find: Callable[[Any], object]
    show: Callable[[Any], Any] = to_json


def key(name: str, source: Source | None = None, shape: Shape | None = None) -> Key:
    """Return the key `name`: the attribute of that name, or what `source` says."""
    return Key(name, _finder(source or name), _shown(shape))


def time(name: str, source: Source | None = None) -> Key:
    """Return a key for epoch seconds, which JSON has as RFC 3339 in UTC; null for no time."""
    return Key(name, _finder(source or name), _time)


def spread(source: Source, shape: Shape | None = None) -> Key:
    """Return a key that stands for all keys of the object there."""
    return Key("", _finder(source), _shown(shape))


class Shape:
    """The keys of an object in order: each a `Key`, or the name of an attribute.

    With `lists_unknown`, the last key `unknown` names the keys of which the value could not be
    read; those are null.
    """

    def __init__(self, *keys: Key | str, lists_unknown: bool = False) -> None:
        self.keys: Final = tuple(each if isinstance(each, Key) else key(each) for each in keys)
        self._lists_unknown = lists_unknown

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the keys: the columns of CSV."""
        unknown = ("unknown",) if self._lists_unknown else ()
        return (*(each.name for each in self.keys), *unknown)

    def row(self, value: object) -> dict[str, Any]:
        """Return one value as an object of JSON."""
        found: dict[str, Any] = {}
        unknown: list[str] = []
        for each in self.keys:
            part = each.find(value)
            # Most values are ready as they are, and a listing has a million rows.
            if each.show is to_json and type(part) in _PLAIN:
                found[each.name] = part
                continue
            if not each.name:
                found |= each.show(part)
                continue
            # Null alone would not tell what is unreadable from what is absent.
            if self._lists_unknown and _is_unknown(part):
                unknown.append(each.name)
            found[each.name] = each.show(part)
        return {**found, "unknown": unknown} if self._lists_unknown else found

    def rows(self, values: Iterable[object]) -> Iterator[dict[str, Any]]:
        """Yield a row for each value, for JSON and for CSV."""
        return map(self.row, values)


def write(value: object, shape: Shape | None = None) -> None:
    """Print a listing as one document. Raise OutputError when the disk is full."""
    terminal.write([terminal.json_text(to_json(value, shape)), "\n"])


def write_rows(rows: Iterable[Mapping[str, Any]], *, indent: int | None = 2) -> None:
    """Print rows as one list, in pieces, because there may be a million of them."""
    terminal.write(_pieces(rows, indent))


def echo(value: object, shape: Shape | None = None) -> None:
    """Print the result of a command that changed something: never raise."""
    terminal.echo(terminal.json_text(to_json(value, shape)))


def text(value: object) -> str:
    """Return a value as JSON in one line, for people. Who prints it must make it printable."""
    return json.dumps(value, ensure_ascii=False)


def _pieces(rows: Iterable[Mapping[str, Any]], indent: int | None) -> Iterator[str]:
    # A row of several lines says itself where it begins.
    start = "\n" if indent else "\n  "
    before = "["
    for row in rows:
        yield before + start + terminal.json_text(row, indent=indent)
        before = ","
    yield "[]\n" if before == "[" else "\n]\n"


def _finder(source: Source) -> Callable[[Any], object]:
    if not isinstance(source, str):
        return source
    if "." not in source:
        return attrgetter(source)
    names = source.split(".")

    def find(value: object) -> object:
        for name in names:
            # Where there is no object, there is nothing of it.
            if value is None:
                return None
            value = getattr(value, name)
        return value

    return find


def _shown(shape: Shape | None) -> Callable[[Any], Any]:
    return to_json if shape is None else lambda value: to_json(value, shape)


def _time(value: object) -> str | None:
    return iso(value) if isinstance(value, int) else None


def _is_unknown(value: object) -> bool:
    from sauce_janitor.model.jobs import UNKNOWN

    return value is UNKNOWN
