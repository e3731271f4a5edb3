"""Faults of fields: rows and documents with wrong values."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import replace

from sauce_janitor.sandbox.core.messages import SandboxAnswer
from sauce_janitor.sandbox.faults.decorators import NUMBER, FaultContext, after
from sauce_janitor.sandbox.faults.rows import is_time, with_rows, with_selected_rows, with_times

_MARK = "what no JSON parser takes goes here"
HOSTILE_NAMES = (
    "../../x",
    "/etc/x",
    "a\0b",
    "x" * 5000,
    "CON",
    "trailing.",
    ".hidden",
    "VIDEO.MP4",
    "receipt.json",
    "\u202egnp.exe",
)


@after(set=dict, drop=list, row=int, only=str)
def lie(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Set or drop fields in a document, or in every row of a list.

    With `row` (from 0) or `only` (an id) in one row only. So a row can be stale, or name another
    build.
    """
    wanted, dropped = context.settings.get("set", {}), context.settings.get("drop", [])
    assert isinstance(wanted, Mapping)
    assert isinstance(dropped, Collection)
    return with_selected_rows(
        context,
        answer,
        lambda row: {key: value for key, value in {**row, **wanted}.items() if key not in dropped},
    )


@after(owner=str, row=int, only=str)
def foreign_owner(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return another owner (default `mallory`) than the one that was requested."""
    return with_selected_rows(
        context, answer, lambda row: {**row, "owner": context.text("owner", "mallory")}
    )


@after(id=str, row=int, only=str)
def wrong_id(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return another id (default: the same reversed) than the one that was requested."""
    return with_selected_rows(
        context, answer, lambda row: {**row, "id": context.text("id", str(row.get("id", ""))[::-1])}
    )


@after(row=int, only=str)
def empty_id(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return the empty string as id."""
    return with_selected_rows(context, answer, lambda row: {**row, "id": ""})


@after(row=int, only=str)
def nan(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return NaN as times. It is not JSON, but many parsers accept it."""
    return with_selected_rows(
        context, answer, lambda row: {key: math.nan if is_time(key) else row[key] for key in row}
    )


_BAD_VALUES = {
    "nan": "NaN",
    "exponent": "1e999",
    "deep": "[" * 2000 + "]" * 2000,
    "integer": "9" * 5000,
    "duplicate_key": '{"team": "a", "team": "b"}',
    "utf8": "\udcff",
}


@after(kind=str, row=int, only=str)
def bad_row(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Put into the row's `custom-data` something that JSON parsers refuse.

    `kind` is `nan`, `exponent` (1e999), `deep` (2,000 levels), `integer` (5,000 digits),
    `duplicate_key` or `utf8` (an invalid byte).
    """
    # Python's json writes no invalid JSON of this kind, so a mark is written and then replaced.
    marked = with_selected_rows(context, answer, lambda row: {**row, "custom-data": _MARK})
    value = _BAD_VALUES[context.text("kind", "nan")].encode("utf-8", errors="surrogateescape")
    return replace(
        marked, body=marked.body.replace(json.dumps(_MARK).encode(), b'{"x": ' + value + b"}")
    )


@after(kilobytes=NUMBER, row=int, only=str)
def heavy_rows(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Make each full row `kilobytes` larger (default 40). Short rows stay as they are."""
    # Short rows stay small, so a client that falls back to them gets on. A request for one document
    # has neither parameter, and grows.
    if context.request.one("full") is None and context.request.one("limit") is not None:
        return answer
    words = (
        hashlib.sha256(str(number).encode()).hexdigest()
        for number in range(int(context.number("kilobytes", 40) * 16))
    )
    # Hashes hardly compress, so the rows are also large on the wire.
    padding = "".join(words)
    return with_selected_rows(context, answer, lambda row: {**row, "padding": padding})


@after(row=int, only=str)
def nulls(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return null for every field except id and owner."""
    # Without id and owner, a client would refuse the row for these alone.
    kept = {"id", "owner", "username"}
    return with_selected_rows(
        context,
        answer,
        lambda row: {key: value if key in kept else None for key, value in row.items()},
    )


@after()
def milliseconds(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return all times in milliseconds."""
    return with_times(answer, lambda time: time * 1000)


@after()
def times_as_text(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return all times as strings of digits."""
    return with_times(answer, str)


@after(names=list)
def hostile_assets(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Add files with hostile names, as an uploader could choose them, to the asset list."""
    names = context.settings.get("names", HOSTILE_NAMES)
    assert isinstance(names, Collection)
    return with_rows(
        answer, lambda rows: [{**row, **{str(name): name for name in names}} for row in rows]
    )


@after(name=str)
def ghost_file(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Add a file that does not exist (default `ghost.log`) to the asset list: it is always 404."""
    name = context.text("name", "ghost.log")
    return with_rows(answer, lambda rows: [{**row, name: name} for row in rows])
