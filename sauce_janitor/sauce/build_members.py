"""The jobs of a build, by the builds API (v2) or else the older one. For display only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import UNKNOWN, JobId, Text, Time, job_id
from sauce_janitor.sauce.build_pages import each_once
from sauce_janitor.sauce.json_fields import text_field, time_field

MEMBERS_A_PAGE: Final = 100
_MOST_PAGES: Final = 1_000

# Source: Builds API, Lookup Jobs for a Build: `state` has a flag for each; the first that is set
# says it best.
_STATES: Final = (
    ("running", "running"),
    ("queued", "queued"),
    ("new", "queued"),
    ("errored", "error"),
    ("failed", "failed"),
    ("passed", "passed"),
    ("completed", "complete"),
    ("finished", "complete"),
)


@dataclass(frozen=True, slots=True)
class BuildMember:
    """One job of a build.

    `status` is running, queued, passed, failed, error or complete; times are epoch seconds UTC.
    """

    id: JobId
    status: Text
    created_at: Time
    modified_at: Time


Page: TypeAlias = tuple[BuildMember, ...]


def parse_members(answer: object) -> Page:
    """Parse a page of a build's jobs, in v2's shape or as a list of jobs.

    Rows without a usable id are left out. Raises AnswerError for anything else.
    """
    rows = answer.get("jobs") if isinstance(answer, Mapping) else answer
    if not isinstance(rows, list):
        raise AnswerError("the answer is not a list of a build's jobs")
    found = []
    for row in rows:
        try:
            identity = job_id(row.get("id") if isinstance(row, Mapping) else None)
        except ValueError:
            continue
        times = (time_field(row, "creation_time"), time_field(row, "modification_time"))
        found.append(BuildMember(identity, _status(row), *times))
    return tuple(found)


def each_member(ask: Callable[[int], Page | None]) -> Iterator[BuildMember] | None:
    """Return every job once, in the order of the pages that `ask` returns for an offset.

    None when the first page is not offered. Pages are asked for until one adds nothing, as it is
    not documented whether limit and offset are obeyed.
    """
    first = ask(0)
    if first is None:
        return None
    return each_once(first, ask, what="the list of a build's jobs", most_pages=_MOST_PAGES)


def _status(row: Mapping[str, object]) -> Text:
    state = row.get("state")
    if isinstance(state, Mapping):
        return next((word for flag, word in _STATES if state.get(flag) is True), UNKNOWN)
    passed = row.get("passed")
    if isinstance(passed, bool):
        return "passed" if passed else "failed"
    return text_field(row, "status")
