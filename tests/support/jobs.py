"""Builders of jobs, records and rules for tests: every field has a plain value, times are ages
before NOW.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.jobs import Action, Job, JobId, JobState, Owner, Record
from sauce_janitor.model.policies import (
    EVERYTHING,
    KEEP_KINDS,
    AllOf,
    ArchiveRule,
    Atom,
    DeleteRule,
    Duration,
    Glob,
    KeepRule,
    Limits,
    Literally,
    Match,
    Policy,
    Rules,
)

NOW = 1_780_315_200  # 2026-06-01T12:00:00Z, a Monday
HOUR, DAY = 3600, 86_400
UTC = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")


def id_of(label: str) -> JobId:
    """A valid job id from a readable label, in no particular order."""
    return JobId(hashlib.blake2b(label.encode(), digest_size=16).hexdigest())


def job(label: str, age: int = 0, **fields: Any) -> Job:
    """A finished, passed job that ended `age` seconds before NOW and took a minute."""
    ended = NOW - age
    known: dict[str, Any] = {
        "id": id_of(label),
        "owner": Owner("jane"),
        "state": JobState.FINISHED,
        "name": "checkout",
        "build": "nightly-1",
        "tags": (),
        "status": "passed",
        "os": "Windows 11",
        "browser": "chrome",
        "browser_version": "120",
        "automation_backend": "webdriver",
        "public": "private",
        "error": None,
        "manual": False,
        "custom_data": {},
        "created_at": ended - 70,
        "started_at": ended - 60,
        "ended_at": ended,
        "modified_at": ended + 5,
        "team_id": "web",
    }
    return Job(**(known | fields))


_RECORD_FIELDS = set(Record.__dataclass_fields__) - {"job"}


def record(label: str, age: int = 0, **fields: Any) -> Record:
    """A record of such a job; fields of the record and of the job may be given."""
    own = {name: value for name, value in fields.items() if name in _RECORD_FIELDS}
    return Record(
        job(label, age, **{name: value for name, value in fields.items() if name not in own}), **own
    )


def running(label: str, age: int = 0, **fields: Any) -> Record:
    """A record of a job that started `age` seconds before NOW and still runs."""
    times = {
        "ended_at": None,
        "status": None,
        "modified_at": None,
        "started_at": NOW - age,
        "created_at": NOW - age,
    }
    return record(label, age, **({"state": JobState.RUNNING} | times | fields))


def where(**fields: str | bool | tuple[str, ...] | None) -> Match:
    """All of these fields match these globs (a tuple: any of them) or literal values."""
    parts = []
    for name, value in fields.items():
        values = value if isinstance(value, tuple) else (value,)
        patterns = tuple(Glob(v) if isinstance(v, str) else Literally(v) for v in values)
        parts.append(Atom(name.replace("__", "."), patterns))
    return parts[0] if len(parts) == 1 else AllOf(tuple(parts))


KIND_OF = {str(kind): kind for kind in KEEP_KINDS}
"""The kinds of keep rules by their key."""


def keep(identity: str, kind: str, **fields: Any) -> KeepRule:
    """A keep rule; `duration` may be text."""
    if isinstance(fields.get("duration"), str):
        fields["duration"] = parse_duration(fields["duration"])
    return KeepRule(identity, KIND_OF[kind], **fields)


def policy(
    name: str,
    match: Match = EVERYTHING,
    *,
    assets: str | DeleteRule | None = None,
    job: str | DeleteRule | None = None,
    archive: str | ArchiveRule | None = "none",
    stop: str | None = None,
    **fields: Any,
) -> Policy:
    """A policy; deletes and archive as durations in text, `never`, or `none`."""
    deletes = tuple(
        (action, _claim(said))
        for action, said in ((Action.DELETE_ASSETS, assets), (Action.DELETE_JOB, job))
        if said is not None
    )
    if isinstance(archive, str):
        archive = (
            ArchiveRule(none=True)
            if archive == "none"
            else ArchiveRule(after=parse_duration(archive))
        )
    return Policy(
        name,
        match,
        archive=archive,
        deletes=deletes,
        stop=parse_duration(stop) if stop is not None else None,
        **fields,
    )


def _claim(said: str | DeleteRule) -> DeleteRule:
    if isinstance(said, DeleteRule):
        return said
    return DeleteRule(None if said == "never" else parse_duration(said))


def rules(*policies: Policy, **fields: Any) -> Rules:
    """Rules in UTC without limits, unless said otherwise."""
    known: dict[str, Any] = {"timezone": UTC, "limits": Limits(), "grace": Duration("0s")}
    return Rules(policies=policies, **(known | fields))


Fields = Mapping[str, Any]
