"""Faults of content: lists and documents that are wrong in ways that a client might believe."""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from sauce_janitor.sandbox.core.messages import SandboxAnswer, SandboxRequest
from sauce_janitor.sandbox.faults.fault import NUMBER, FaultContext, after, alter

Row: TypeAlias = dict[str, object]
Rows: TypeAlias = list[Row]

_MARK = "what no JSON parser takes goes here"
_LISTS = ("jobs", "builds", "results", "items", "buckets")

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


@alter()
def same_page(context: FaultContext) -> SandboxRequest:
    """Ignore `skip` and `offset`: every page is the first."""
    query = {
        key: value for key, value in context.request.query.items() if key not in {"skip", "offset"}
    }
    return replace(context.request, query=query)


@alter()
def short_rows(context: FaultContext) -> SandboxRequest:
    """Ignore `full`: rows are short, as the behaviour `default_row` says."""
    query = {key: value for key, value in context.request.query.items() if key != "full"}
    return replace(context.request, query=query)


@alter(limit=int)
def capped_page(context: FaultContext) -> SandboxRequest:
    """Return at most `limit` rows a page (default 50), whatever was requested."""
    asked = context.request.one("limit") or ""
    limit = int(context.number("limit", 50))
    wanted = min(limit, int(asked)) if asked.isdecimal() else limit
    return replace(context.request, query={**context.request.query, "limit": (str(wanted),)})


@after(at=int)
def flipped_byte(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Change one byte of the body (default: the middle one). The length stays right."""
    if not answer.body:
        return answer
    place = int(context.number("at", len(answer.body) // 2)) % len(answer.body)
    changed = bytes((answer.body[place] ^ 0xFF,))
    return replace(answer, body=answer.body[:place] + changed + answer.body[place + 1 :])


@after(share=NUMBER)
def cut_at_source(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return only the first share of the body (default: half), with the right length for it.

    The file was cut before it came here.
    """
    kept = answer.body[: int(len(answer.body) * context.number("share", 0.5))]
    return replace(answer, body=kept, compress=False)


@after(text=str)
def other_kind(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return `text` (default: a JPEG picture), which is of another kind than the name says."""
    text = context.text("text", "\xff\xd8\xff\xe0 a picture")
    return replace(answer, body=text.encode("latin-1", "replace"), compress=False)


@after()
def other_pictures(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return a zip file whose entries differ from the single files by one more byte each.

    Other bodies stay as they are.
    """
    if not answer.body.startswith(b"PK"):
        return answer
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(answer.body)) as before, zipfile.ZipFile(target, "w") as packed:
        for entry in before.infolist():
            packed.writestr(zipfile.ZipInfo(entry.filename), before.read(entry) + b"\0")
    return replace(answer, body=target.getvalue())


@after(text=str)
def trailing_garbage(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Append something after the end of the document."""
    return replace(answer, body=answer.body + context.text("text", "]}<!-- -->").encode())


@after(depth=int)
def deep_json(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return nested brackets, by default 20,000 deep."""
    depth = int(context.number("depth", 20_000))
    return replace(answer, body=b"[" * depth + b"]" * depth)


@after()
def not_a_list(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return an object with an error instead of a list, with status 200."""
    return replace(answer, body=json.dumps({"errors": "Something went wrong"}).encode())


@after()
def empty_list(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return a list without rows."""
    return _with_rows(answer, lambda _rows: [])


@after(share=NUMBER)
def short_page(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return only the first share of a page's rows (default: half)."""
    return _with_rows(answer, lambda rows: rows[: int(len(rows) * context.number("share", 0.5))])


@after()
def duplicate_rows(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return every row twice."""
    return _with_rows(answer, lambda rows: [row for row in rows for _ in range(2)])


@after(set=dict, drop=list, row=int, only=str)
def lie(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Set or drop fields in a document, or in every row of a list.

    With `row` (from 0) or `only` (an id) in one row only. So a row can be stale, or name another
    build.
    """
    wanted, dropped = context.settings.get("set", {}), context.settings.get("drop", [])
    assert isinstance(wanted, Mapping)
    assert isinstance(dropped, Collection)
    return _with_some(
        context,
        answer,
        lambda row: {key: value for key, value in {**row, **wanted}.items() if key not in dropped},
    )


@after(owner=str, row=int, only=str)
def foreign_owner(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return another owner (default `mallory`) than the one that was requested."""
    return _with_some(
        context, answer, lambda row: {**row, "owner": context.text("owner", "mallory")}
    )


@after(id=str, row=int, only=str)
def wrong_id(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return another id (default: the same reversed) than the one that was requested."""
    return _with_some(
        context, answer, lambda row: {**row, "id": context.text("id", str(row.get("id", ""))[::-1])}
    )


@after(row=int, only=str)
def empty_id(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return the empty string as id."""
    return _with_some(context, answer, lambda row: {**row, "id": ""})


@after(row=int, only=str)
def nan(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return NaN as times. It is not JSON, but many parsers accept it."""
    return _with_some(
        context, answer, lambda row: {key: math.nan if _is_time(key) else row[key] for key in row}
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
    marked = _with_some(context, answer, lambda row: {**row, "custom-data": _MARK})
    value = _BAD_VALUES[context.text("kind", "nan")].encode("utf-8", errors="surrogateescape")
    return replace(
        marked, body=marked.body.replace(json.dumps(_MARK).encode(), b'{"x": ' + value + b"}")
    )


@after(kilobytes=NUMBER, row=int, only=str)
def heavy_rows(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Make each full row `kilobytes` larger (default 40). Short rows stay as they are."""
    if context.request.one("full") is None and context.request.one("limit") is not None:
        return answer
    words = (
        hashlib.sha256(str(number).encode()).hexdigest()
        for number in range(int(context.number("kilobytes", 40) * 16))
    )
    # Hashes hardly compress, so the rows are also large on the wire.
    padding = "".join(words)
    return _with_some(context, answer, lambda row: {**row, "padding": padding})


@after(row=int, only=str)
def nulls(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return null for every field except id and owner."""
    kept = {"id", "owner", "username"}
    return _with_some(
        context,
        answer,
        lambda row: {key: value if key in kept else None for key, value in row.items()},
    )


@after()
def milliseconds(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return all times in milliseconds."""
    return _with_times(answer, lambda time: time * 1000)


@after()
def times_as_text(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return all times as strings of digits."""
    return _with_times(answer, str)


@after(names=list)
def hostile_assets(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Add files with hostile names, as an uploader could choose them, to the asset list."""
    names = context.settings.get("names", HOSTILE_NAMES)
    assert isinstance(names, Collection)
    return _with_rows(
        answer, lambda rows: [{**row, **{str(name): name for name in names}} for row in rows]
    )


@after(name=str)
def ghost_file(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Add a file that does not exist (default `ghost.log`) to the asset list: it is always 404."""
    name = context.text("name", "ghost.log")
    return _with_rows(answer, lambda rows: [{**row, name: name} for row in rows])


def _with_times(answer: SandboxAnswer, change: Callable[[int], object]) -> SandboxAnswer:
    def replaced(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: replaced(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [replaced(each) for each in value]
        time = _time(value) if _is_time(key) else None
        return value if time is None else change(time)

    return _with_content(answer, replaced)


def _is_time(key: str) -> bool:
    return key.endswith("_time") or key == "timestamp"


def _time(value: object) -> int | None:
    """Return a time of the Jobs API (a number) or of Insights (ISO 8601) in epoch seconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(datetime.fromisoformat(value).timestamp()) if isinstance(value, str) else None
    except ValueError:
        return None


def _with_some(
    context: FaultContext, answer: SandboxAnswer, change: Callable[[Row], Row]
) -> SandboxAnswer:
    """Return the answer with the rows changed that `row` and `only` select; without them, all."""
    place, only = context.settings.get("row"), context.settings.get("only")

    def replaced(rows: Rows) -> Rows:
        return [
            change(row) if place in {None, at} and only in {None, row.get("id")} else row
            for at, row in enumerate(rows)
        ]

    return _with_rows(answer, replaced)


def _with_rows(answer: SandboxAnswer, change: Callable[[Rows], Rows]) -> SandboxAnswer:
    """Return the answer with its rows changed. A single document counts as a list of one."""

    def replaced(content: object) -> object:
        if isinstance(content, list):
            return change(content) if all(isinstance(row, dict) for row in content) else content
        if not isinstance(content, dict):
            return content
        key = next((key for key in _LISTS if isinstance(content.get(key), list)), None)
        if key is not None:
            return {**content, key: change(content[key])}
        # The builds of Insights are one level deeper.
        if _holds_items(content.get("builds")):
            return {**content, "builds": replaced(content["builds"])}
        return next(iter(change([content])), {})

    return _with_content(answer, replaced)


def _holds_items(value: object) -> bool:
    return isinstance(value, dict) and "items" in value


def _with_content(answer: SandboxAnswer, change: Callable[[object], object]) -> SandboxAnswer:
    """Return the answer with its JSON changed.

    An error stays as it is, and so does a body that another fault has already made unreadable.
    """
    if answer.status != 200:
        return answer
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return answer
    return replace(answer, body=json.dumps(change(content)).encode())
