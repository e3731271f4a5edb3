"""Faults in what is said: lists and documents that lie, in every way that a client could
believe.
"""

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
def same_page(scene: FaultContext) -> SandboxRequest:
    """`skip` and `offset` are ignored: every page is the first."""
    query = {
        key: value for key, value in scene.request.query.items() if key not in {"skip", "offset"}
    }
    return replace(scene.request, query=query)


@alter()
def short_rows(scene: FaultContext) -> SandboxRequest:
    """`full` is not known: rows are as the API's page shows them, or whatever `default_row`
    says.
    """
    query = {key: value for key, value in scene.request.query.items() if key != "full"}
    return replace(scene.request, query=query)


@alter(limit=int)
def capped_page(scene: FaultContext) -> SandboxRequest:
    """No page is longer than `limit` (default 50), whatever was asked for."""
    asked = scene.request.one("limit") or ""
    limit = int(scene.number("limit", 50))
    wanted = min(limit, int(asked)) if asked.isdecimal() else limit
    return replace(scene.request, query={**scene.request.query, "limit": (str(wanted),)})


@after(at=int)
def flipped_byte(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """One byte of the body (default: the middle one) is another; its length is right."""
    if not answer.body:
        return answer
    place = int(scene.number("at", len(answer.body) // 2)) % len(answer.body)
    changed = bytes((answer.body[place] ^ 0xFF,))
    return replace(answer, body=answer.body[:place] + changed + answer.body[place + 1 :])


@after(share=NUMBER)
def cut_at_source(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Only the first share (default half) of the body, and its length agrees: a file that was cut
    before it came here.
    """
    kept = answer.body[: int(len(answer.body) * scene.number("share", 0.5))]
    return replace(answer, body=kept, compress=False)


@after(text=str)
def other_kind(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The file is of another kind than its name says (default: a JPEG picture): its bytes are
    `text`, its length agrees.
    """
    text = scene.text("text", "\xff\xd8\xff\xe0 a picture")
    return replace(answer, body=text.encode("latin-1", "replace"), compress=False)


@after()
def other_pictures(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The entries of a zip file are whole, and not the single files: each has one byte more. Other
    bodies stay as they are.
    """
    if not answer.body.startswith(b"PK"):
        return answer
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(answer.body)) as before, zipfile.ZipFile(target, "w") as packed:
        for entry in before.infolist():
            packed.writestr(zipfile.ZipInfo(entry.filename), before.read(entry) + b"\0")
    return replace(answer, body=target.getvalue())


@after(text=str)
def trailing_garbage(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Something follows the end of the document."""
    return replace(answer, body=answer.body + scene.text("text", "]}<!-- -->").encode())


@after(depth=int)
def deep_json(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Brackets in brackets, 20,000 deep by default."""
    depth = int(scene.number("depth", 20_000))
    return replace(answer, body=b"[" * depth + b"]" * depth)


@after()
def not_a_list(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """An object with an error where a list should be, with status 200."""
    return replace(answer, body=json.dumps({"errors": "Something went wrong"}).encode())


@after()
def empty_list(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """A list without a row."""
    return _with_rows(answer, lambda _rows: [])


@after(share=NUMBER)
def short_page(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Only the first share (default half) of a page's rows."""
    return _with_rows(answer, lambda rows: rows[: int(len(rows) * scene.number("share", 0.5))])


@after()
def duplicate_rows(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Every row twice."""
    return _with_rows(answer, lambda rows: [row for row in rows for _ in range(2)])


@after(set=dict, drop=list, row=int, only=str)
def lie(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Fields are `set` or dropped in a document, or in every row of a list (or only in `row`, from
    0, or in the one with the id `only`): a stale list row, a verdict that is none, a build that is
    another.
    """
    wanted, dropped = scene.settings.get("set", {}), scene.settings.get("drop", [])
    assert isinstance(wanted, Mapping)
    assert isinstance(dropped, Collection)
    return _with_some(
        scene,
        answer,
        lambda row: {key: value for key, value in {**row, **wanted}.items() if key not in dropped},
    )


@after(owner=str, row=int, only=str)
def foreign_owner(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The job is another's (default `mallory`), though it was asked for as this user's."""
    return _with_some(scene, answer, lambda row: {**row, "owner": scene.text("owner", "mallory")})


@after(id=str, row=int, only=str)
def wrong_id(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The id is another (default: the same backwards), though it was asked for by its own."""
    return _with_some(
        scene, answer, lambda row: {**row, "id": scene.text("id", str(row.get("id", ""))[::-1])}
    )


@after(row=int, only=str)
def empty_id(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The id is the empty string."""
    return _with_some(scene, answer, lambda row: {**row, "id": ""})


@after(row=int, only=str)
def nan(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The times are NaN, which is no JSON but what many a program takes for it."""
    return _with_some(
        scene, answer, lambda row: {key: math.nan if _is_time(key) else row[key] for key in row}
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
def bad_row(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Inside the row's `custom-data` is what JSON parsers refuse: `nan`, `exponent` (1e999), `deep`
    (2,000 levels), `integer` (5,000 digits), `duplicate_key` or `utf8` (a byte that is none).
    """
    marked = _with_some(scene, answer, lambda row: {**row, "custom-data": _MARK})
    value = _BAD_VALUES[scene.text("kind", "nan")].encode("utf-8", errors="surrogateescape")
    return replace(
        marked, body=marked.body.replace(json.dumps(_MARK).encode(), b'{"x": ' + value + b"}")
    )


@after(kilobytes=NUMBER, row=int, only=str)
def heavy_rows(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Each row in full is so many kilobytes larger (default 40); short rows are as they are."""
    if scene.request.one("full") is None and scene.request.one("limit") is not None:
        return answer
    words = (
        hashlib.sha256(str(number).encode()).hexdigest()
        for number in range(int(scene.number("kilobytes", 40) * 16))
    )
    padding = "".join(words)  # nothing that compresses to nearly nothing
    return _with_some(scene, answer, lambda row: {**row, "padding": padding})


@after(row=int, only=str)
def nulls(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Everything but id and owner is null."""
    kept = {"id", "owner", "username"}
    return _with_some(
        scene,
        answer,
        lambda row: {key: value if key in kept else None for key, value in row.items()},
    )


@after()
def milliseconds(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """All times are numbers of milliseconds."""
    return _with_times(answer, lambda time: time * 1000)


@after()
def times_as_text(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """All times are strings of digits."""
    return _with_times(answer, str)


@after(names=list)
def hostile_assets(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The asset list names more files, as an uploader could have called them."""
    names = scene.settings.get("names", HOSTILE_NAMES)
    assert isinstance(names, Collection)
    return _with_rows(
        answer, lambda rows: [{**row, **{str(name): name for name in names}} for row in rows]
    )


@after(name=str)
def ghost_file(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The asset list names one more file (default `ghost.log`) that is not there: 404 whenever it
    is asked for.
    """
    name = scene.text("name", "ghost.log")
    return _with_rows(answer, lambda rows: [{**row, name: name} for row in rows])


def _with_times(answer: SandboxAnswer, change: Callable[[int], object]) -> SandboxAnswer:
    def told(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: told(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [told(each) for each in value]
        time = _time(value) if _is_time(key) else None
        return value if time is None else change(time)

    return _with_content(answer, told)


def _is_time(key: str) -> bool:
    return key.endswith("_time") or key == "timestamp"


def _time(value: object) -> int | None:
    """Epoch seconds of a time as the Jobs API (a number) or Insights (ISO 8601) writes it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(datetime.fromisoformat(value).timestamp()) if isinstance(value, str) else None
    except ValueError:
        return None


def _with_some(
    scene: FaultContext, answer: SandboxAnswer, change: Callable[[Row], Row]
) -> SandboxAnswer:
    """The answer with those rows changed that the settings `row` and `only` leave: without them
    all.
    """
    place, only = scene.settings.get("row"), scene.settings.get("only")

    def told(rows: Rows) -> Rows:
        return [
            change(row) if place in {None, at} and only in {None, row.get("id")} else row
            for at, row in enumerate(rows)
        ]

    return _with_rows(answer, told)


def _with_rows(answer: SandboxAnswer, change: Callable[[Rows], Rows]) -> SandboxAnswer:
    """The answer with the rows of its list changed; a single document counts as a list of one."""

    def told(content: object) -> object:
        if isinstance(content, list):
            return change(content) if all(isinstance(row, dict) for row in content) else content
        if not isinstance(content, dict):
            return content
        key = next((key for key in _LISTS if isinstance(content.get(key), list)), None)
        if key is not None:
            return {**content, key: change(content[key])}
        if _holds_items(content.get("builds")):  # Insights' builds, one level down
            return {**content, "builds": told(content["builds"])}
        return next(iter(change([content])), {})

    return _with_content(answer, told)


def _holds_items(value: object) -> bool:
    return isinstance(value, dict) and "items" in value


def _with_content(answer: SandboxAnswer, change: Callable[[object], object]) -> SandboxAnswer:
    """The answer with its JSON changed; left alone when it is an error, or another fault came
    first.
    """
    if answer.status != 200:
        return answer
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return answer
    return replace(answer, body=json.dumps(change(content)).encode())
