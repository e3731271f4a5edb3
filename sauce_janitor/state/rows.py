"""A job as a row and back. `marks` says which fields are UNKNOWN; their values are null.

Text from Sauce Labs may contain what no database can store (NUL, half a surrogate pair). Such a row
has ESCAPED set, and its texts are JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from sauce_janitor.model.jobs import UNKNOWN, Job, JobState, MissingFile

V = TypeVar("V")

FIELDS: Final = (
    "name",
    "build",
    "tags",
    "status",
    "os",
    "browser",
    "browser_version",
    "automation_backend",
    "public",
    "error",
    "manual",
    "custom_data",
    "created_at",
    "started_at",
    "ended_at",
    "modified_at",
    "team_id",
)
"""The columns that may be UNKNOWN; a field's bit in `marks` is 1 << its position here. Never
reorder them: the bits are on disk.
"""
COLUMNS: Final = ("id", "owner", "state", *FIELDS, "marks")
"""The vendor's columns of a row, in the order that `JobReader.job_of` reads them."""
BITS: Final[Mapping[str, int]] = {field: 1 << place for place, field in enumerate(FIELDS)}
ESCAPED: Final = 1 << 30

_TEXTS: Final = (
    "name",
    "build",
    "status",
    "os",
    "browser",
    "browser_version",
    "automation_backend",
    "public",
    "error",
    "team_id",
)
_TIMES: Final = frozenset({"created_at", "started_at", "ended_at", "modified_at"})
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_LARGEST: Final = 2**62
_STATES: Final = {str(state): state for state in JobState}
_MANY: Final = 20_000
_MOST_REASONS: Final = 100


def id_bytes(job_id: str) -> bytes:
    """Return the 16 bytes of a job id. Raise ValueError for anything else."""
    return bytes.fromhex(job_id)


def is_storable(text: str) -> bool:
    """Return whether every database can store the text, or compare with it."""
    return _UNSTORABLE.search(text) is None


def plain(text: str) -> str:
    """Return a text that a person typed, without what no database can store."""
    return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def row_of(job: Job) -> dict[str, Any]:
    """Return the vendor's columns of a job, with UNKNOWN folded into `marks`."""
    marks = 0
    row: dict[str, Any] = {"id": id_bytes(job.id), "owner": job.owner, "state": str(job.state)}
    for field in FIELDS:
        value = getattr(job, field)
        # SQLite's integers have 64 bits; a time beyond that is nonsense anyway, so it counts as
        # unreadable.
        if value is UNKNOWN or (field in _TIMES and value is not None and abs(value) > _LARGEST):
            marks |= BITS[field]
            value = None
        elif field == "tags":
            # Null for no tags, which most jobs have: it costs no byte.
            value = json.dumps(value) if value else None
        elif field == "team_id":
            # Null means unknown, as in rows from before the column existed.
            value = value or ""
        elif field == "custom_data" and value is not None:
            value = json.dumps(dict(value), sort_keys=True)
        row[field] = value
    if any(row[field] is not None and _UNSTORABLE.search(row[field]) for field in _TEXTS):
        marks |= ESCAPED
        row |= {field: json.dumps(row[field]) for field in _TEXTS if row[field] is not None}
    row["marks"] = marks
    return row


class ParsedTexts(dict[str | None, V]):
    """A cache of parsed JSON texts: equal tags of many jobs are one value. It is emptied before it
    grows large.
    """

    def __init__(self, parse: Callable[[Any], V]) -> None:
        super().__init__()
        self._parse = parse

    def __missing__(self, text: str | None) -> V:
        # A million jobs with different custom data must not fill the memory.
        if len(self) >= _MANY:
            self.clear()
        value = self._parse(None if text is None else json.loads(text))
        self[text] = value
        return value


def missing_text(files: Sequence[MissingFile]) -> str | None:
    """Return the files as the column stores them, null for none; only the first ones have the
    reason.
    """
    rows = [
        [plain(each.name), plain(each.why) if number < _MOST_REASONS else "", each.since]
        for number, each in enumerate(files)
    ]
    return json.dumps(rows) if rows else None


def missing_files(text: str) -> tuple[MissingFile, ...]:
    """Return the files that `missing_text` wrote."""
    return tuple(MissingFile(name, why, since) for name, why, since in json.loads(text))


def _tags_of(value: object) -> tuple[str, ...]:
    # A damaged value is noticed here, not where a tag is matched or printed.
    if value is not None and not (
        isinstance(value, list) and all(isinstance(tag, str) for tag in value)
    ):
        raise ValueError("a job's tags are not a list of texts")
    return tuple(value or ())


def _custom_of(value: object) -> Mapping[str, object] | None:
    if value is not None and not isinstance(value, dict):
        raise ValueError("a job's custom data is not a mapping")
    return value


class JobReader:
    """Turns rows into jobs."""

    def __init__(self) -> None:
        self._tags: ParsedTexts[tuple[str, ...]] = ParsedTexts(_tags_of)
        self._custom: ParsedTexts[Mapping[str, object] | None] = ParsedTexts(_custom_of)

    def job_of(self, row: Sequence[Any]) -> Job:
        """Return the job of a row that begins with COLUMNS."""
        # Positional and without a loop: reading a million jobs spends most of its time here.
        (
            job_id, owner, state, name, build, tags, status, os, browser, version, backend,
            public, error, manual, custom, created, started, ended, modified, team, marks, *_,
        ) = row  # fmt: skip
        if marks:
            return self._marked(row)
        return Job(
            job_id.hex(), owner, _STATES[state], name, build, self._tags[tags], status, os,
            browser, version, backend, public, error,
            None if manual is None else bool(manual),
            None if custom is None else self._custom[custom],
            created, started, ended, modified, UNKNOWN if team is None else team or None,
        )  # fmt: skip

    def _marked(self, row: Sequence[Any]) -> Job:
        values: dict[str, Any] = dict(zip(COLUMNS, row, strict=False))
        marks = values.pop("marks")
        if marks & ESCAPED:
            values |= {
                field: json.loads(values[field]) for field in _TEXTS if values[field] is not None
            }
        values["id"] = values["id"].hex()
        values["state"] = _STATES[values["state"]]
        values["tags"] = self._tags[values["tags"]]
        values["custom_data"] = self._custom[values["custom_data"]]
        values["manual"] = None if values["manual"] is None else bool(values["manual"])
        values["team_id"] = UNKNOWN if values["team_id"] is None else values["team_id"] or None
        values |= {field: UNKNOWN for field, bit in BITS.items() if marks & bit}
        return Job(**values)
