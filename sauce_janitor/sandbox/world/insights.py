"""The items of the Insights API: one for each finished job, even a deleted one."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world.world import World

STATUSES = ("passed", "errored", "failed", "complete")
"""The statuses of Insights. The Jobs API has `error` for `errored`."""


@dataclass(frozen=True, slots=True)
class InsightsRun:
    """One test run. Times are epoch seconds. It is expired if its job is deleted or purged."""

    id: str
    owner: str
    ancestor: str
    name: str | None
    build: str | None
    created_at: int
    started_at: int
    ended_at: int
    status: str
    error: str
    os: str
    browser: str
    is_expired: bool

    @property
    def duration(self) -> int:
        """Return the seconds from start to end."""
        return self.ended_at - self.started_at

    def document(self, base_url: str) -> dict[str, object]:
        """Return the item in the shape of the API.

        Source: the samples of Insights API Methods; newer fields from its OpenAPI file.
        """
        return {
            "id": self.id,
            "owner": self.owner,
            "ancestor": self.ancestor,
            "name": self.name or "",
            "build": self.build or "",
            "creation_time": iso(self.created_at),
            "start_time": iso(self.started_at),
            "end_time": iso(self.ended_at),
            "duration": self.duration,
            "status": self.status,
            "error": self.error,
            "os": self.os,
            "os_normalized": self.os,
            "browser": self.browser,
            "browser_normalized": self.browser,
            "details_url": f"{base_url}/rest/v1.1/{quote(self.owner, safe='')}/jobs/{self.id}",
            "is_expired": self.is_expired,
        }


@dataclass(frozen=True, slots=True)
class InsightsSelection:
    """Which items to return: those of `people`, created in `since <= time <= until`, that pass all
    tests.
    """

    people: Sequence[Person]
    since: float
    until: float
    tests: Sequence[Callable[[InsightsRun], bool]] = ()


def items(
    world: World, wanted: InsightsSelection, *, newest_first: bool = True
) -> Iterator[InsightsRun]:
    """Yield the items by creation time; those of the same second by owner and job."""
    each = (
        _of_person(world, person, wanted, newest_first=newest_first) for person in wanted.people
    )
    # Each person's items are sorted already, so a page needs no list of everybody's.
    merged = heapq.merge(*each, key=lambda item: item.created_at, reverse=newest_first)
    return (item for item in merged if all(test(item) for test in wanted.tests))


def iso(time: int, *, milliseconds: bool = False) -> str:
    """Return a time as Insights writes it: with or without milliseconds."""
    written = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{written}.000Z" if milliseconds else f"{written}Z"


def _of_person(
    world: World, person: Person, wanted: InsightsSelection, *, newest_first: bool
) -> Iterator[InsightsRun]:
    ledger = world.ledger(person)
    with world.lock:
        # Insights includes both ends; the window is half-open. The lock is not held for the rows: a
        # large answer must not block deletes.
        low, high = ledger.window(wanted.since, wanted.until + 1)
    follows = world.behaviours.insights_items == "follow"
    for index in range(high - 1, low - 1, -1) if newest_first else range(low, high):
        # A job appears in Insights once it has ended, and by default stays when it is deleted.
        if ledger.ended_at(index) is None or (follows and not ledger.has(index)):
            continue
        yield _item(world, person, index)


def _item(world: World, person: Person, index: int) -> InsightsRun:
    job = world.ref(person, index)
    document = world.document(job, "")
    created_at, started_at, ended_at = (
        document[f"{word}_time"] for word in ("creation", "start", "end")
    )
    assert isinstance(created_at, int)
    assert isinstance(ended_at, int)
    return InsightsRun(
        id=job.id,
        owner=person.name,
        ancestor=world.organisation.main.name,
        name=_text(document["name"]),
        build=job.ledger.build_name(index),
        created_at=created_at,
        # An edited job can have ended without a start.
        started_at=started_at if isinstance(started_at, int) else created_at,
        ended_at=ended_at,
        status=_status(document),
        error=_text(document["error"]) or "",
        os=_text(document["os"]) or "",
        browser=f"{document['browser']} {document['browser_short_version']}",
        is_expired=not job.ledger.has(index) or world.is_purged(job),
    )


def _status(document: Mapping[str, object]) -> str:
    if document["passed"] is not None:
        return "passed" if document["passed"] else "failed"
    return "errored" if document["status"] == "error" or document["error"] else "complete"


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
