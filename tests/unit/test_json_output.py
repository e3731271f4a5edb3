"""Values become JSON in one place, by shapes that name each key."""

from __future__ import annotations

import ast
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pytest

import sauce_janitor
from sauce_janitor import json_output
from sauce_janitor.json_output import Shape, key, spread, time, to_json
from sauce_janitor.model.jobs import UNKNOWN, Action, Text, Time

PACKAGE = Path(sauce_janitor.__file__).parent
PRINTS = {"write", "echo", "write_rows", "text"}


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"
    GREEN = "green"
    PINK = "pink"


@dataclass(frozen=True, slots=True)
class Place:
    name: Text
    at: Time = None


@dataclass(frozen=True, slots=True)
class Trip:
    first: Place
    last: Place | None = None
    colours: frozenset[Colour] = frozenset()


def test_a_dataclass_without_a_shape_has_all_its_fields_in_order() -> None:
    found = to_json(Trip(Place("home", 5), colours=frozenset(Colour)))
    assert json.dumps(found) == (
        '{"first": {"name": "home", "at": 5}, "last": null, "colours": ["blue", "green", "pink", "red"]}'
    )


def test_keys_are_those_of_the_shape_in_its_order_and_times_are_rfc_3339() -> None:
    shape = Shape(time("begun_at", "first.at"), key("from", "first.name"), key("to", "last.name"))
    assert json.dumps(to_json(Trip(Place("home", 86_400)), shape)) == (
        '{"begun_at": "1970-01-02T00:00:00Z", "from": "home", "to": null}'
    )
    assert shape.names == ("begun_at", "from", "to")


def test_several_values_are_a_list_and_no_value_is_null() -> None:
    shape = Shape("name")
    assert to_json([Place("a"), Place("b")], shape) == [{"name": "a"}, {"name": "b"}]
    assert to_json(None, shape) is None


def test_a_part_s_keys_can_stand_among_those_of_the_whole() -> None:
    shape = Shape(spread("first", Shape("name")), key("to", "last.name"))
    assert to_json(Trip(Place("a"), Place("b")), shape) == {"name": "a", "to": "b"}


def test_what_cannot_be_read_is_null_and_named_where_the_shape_lists_it() -> None:
    place = Place(UNKNOWN, UNKNOWN)
    assert to_json(place, Shape("name", time("at"))) == {"name": None, "at": None}
    listing = Shape("name", time("at"), lists_unknown=True)
    assert to_json(place, listing) == {"name": None, "at": None, "unknown": ["name", "at"]}
    assert listing.names == ("name", "at", "unknown")


def test_mappings_keep_their_order_and_their_keys_become_texts() -> None:
    assert json.dumps(to_json(Counter({Action.STOP: 2, Action.ARCHIVE: 1}))) == (
        '{"stop": 2, "archive": 1}'
    )


def test_a_value_that_has_no_json_is_refused() -> None:
    with pytest.raises(TypeError, match="no JSON for object"):
        to_json(object())


def _calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_no_command_builds_json_by_hand() -> None:
    found = []
    for path in sorted((PACKAGE / "cli").rglob("*.py")):
        for name, call in _calls(path):
            where = f"{path.relative_to(PACKAGE)}:{call.lineno}: {name}"
            if name.endswith(("json.dumps", "json_text", "asdict", "JSONEncoder")):
                found.append(where)
            # A document that is put together in the call has keys that no shape names.
            if name.removeprefix("json_output.") in PRINTS and name.startswith("json_output."):
                found += [where for part in ast.walk(call) if isinstance(part, ast.Dict)]
    assert found == []
    assert set(dir(json_output)) >= PRINTS
