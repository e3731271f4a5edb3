"""The data of the Insights API: an item for each finished job, even a deleted one, and sums."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world.world import World

STATUSES = ("passed", "errored", "failed", "complete")
"""The statuses of Insights. The Jobs API has `error` for `errored`."""
_BUILDS, _TESTS = 25, 10
"""Source: Insights API Methods, comments in the sample of Get Builds and Tests."""


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


def metrics(found: Iterable[InsightsRun], base_url: str) -> dict[str, object]:
    """Return Get Summary of Test Metrics. The totals are means, as in the API's sample."""
    statuses: Counter[str] = Counter()
    waited = ran = 0
    fastest = slowest = None
    for item in found:
        statuses[item.status] += 1
        waited, ran = waited + item.started_at - item.created_at, ran + item.duration
        fastest = item if fastest is None else min(fastest, item, key=_pace)
        slowest = item if slowest is None else max(slowest, item, key=_pace)
    count = statuses.total()
    return {
        "count": count,
        "fastestRun": fastest and fastest.document(base_url),
        "slowestRun": slowest and slowest.document(base_url),
        "statuses": dict(sorted(statuses.items())),
        "totalQueueTime": waited / max(1, count),
        "totalRunTime": ran / max(1, count),
    }


def trends(found: Iterable[InsightsRun], interval_s: int) -> dict[str, object]:
    """Return Get Test Trends: the buckets that are not empty, oldest first, and their sums."""
    buckets: dict[int, ItemCounts] = {}
    for item in found:
        # Buckets begin at multiples of the interval since 1970 in UTC, not at the request's start.
        buckets.setdefault(item.created_at // interval_s * interval_s, ItemCounts()).add(item)
    whole = ItemCounts()
    for counts in buckets.values():
        whole.update(counts)
    return {
        "buckets": [
            {
                "timestamp": iso(start, milliseconds=True),
                "count": counts.by["status"].total(),
                "aggs": {key: _named(numbers) for key, numbers in counts.by.items()},
            }
            for start, counts in sorted(buckets.items())
        ],
        "metrics": {key: dict(sorted(numbers.items())) for key, numbers in whole.by.items()},
    }


def builds_and_tests(found: Iterable[InsightsRun], base_url: str) -> dict[str, object]:
    """Return Get Builds and Tests: at most 25 builds, newest first, with at most ten tests each.

    The API has no pages here.
    """
    builds: dict[str, ItemSample] = {}
    alone, others = ItemSample(), False
    for item in found:
        if item.build is None:
            alone.add(item)
        # A build that is shown counts all its tests, also those that come after the 25th build.
        elif item.build in builds or len(builds) < _BUILDS:
            builds.setdefault(item.build, ItemSample()).add(item)
        else:
            others = True
    return {
        "builds": {
            "items": [_build(name, runs, base_url) for name, runs in builds.items()],
            "has_more": others,
        },
        "tests_missing_build": alone.document(base_url),
    }


def errors(found: Iterable[InsightsRun], base_url: str) -> list[dict[str, object]]:
    """Return Get Error Trends: the most frequent error first, with at most ten tests each."""
    by_error: dict[str, ItemSample] = {}
    for item in found:
        if item.error:
            by_error.setdefault(item.error, ItemSample()).add(item)
    return [
        {"name": error, "count": some.count, **some.document(base_url)}
        for error, some in sorted(by_error.items(), key=lambda pair: (-pair[1].count, pair[0]))
    ]


class ItemCounts:
    """Counts items by operating system, owner and status."""

    def __init__(self) -> None:
        self.by: dict[str, Counter[str]] = {
            "os": Counter(),
            "owner": Counter(),
            "status": Counter(),
        }

    def add(self, item: InsightsRun) -> None:
        """Count one item."""
        for key, counts in self.by.items():
            counts[getattr(item, key)] += 1

    def update(self, other: ItemCounts) -> None:
        """Add the counts of `other`."""
        for key, counts in self.by.items():
            counts.update(other.by[key])


class ItemSample:
    """The first ten of many items; and the count, statuses, first start and last end of all."""

    def __init__(self) -> None:
        self.first: list[InsightsRun] = []
        self.statuses: Counter[str] = Counter()
        self.start, self.end = 1 << 62, 0

    @property
    def count(self) -> int:
        """Return how many items there are."""
        return self.statuses.total()

    def add(self, item: InsightsRun) -> None:
        """Add one item."""
        if len(self.first) < _TESTS:
            self.first.append(item)
        self.statuses[item.status] += 1
        self.start, self.end = min(self.start, item.started_at), max(self.end, item.ended_at)

    def document(self, base_url: str) -> dict[str, object]:
        """Return the items in the shape of the API."""
        return {
            "items": [item.document(base_url) for item in self.first],
            "has_more": self.count > _TESTS,
        }


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


def _pace(item: InsightsRun) -> tuple[int, int, str]:
    return item.duration, item.created_at, item.id


def _build(name: str, runs: ItemSample, base_url: str) -> dict[str, object]:
    shown = runs.document(base_url)
    return {
        "name": name,
        "tests_count": runs.count,
        "duration": runs.end - runs.start,
        "start_time": iso(runs.start),
        "end_time": iso(runs.end),
        "tests": shown["items"],
        "has_more": shown["has_more"],
        "aggs": {"status": _named(runs.statuses)},
    }


def _named(counts: Counter[str]) -> list[dict[str, object]]:
    return [
        {"name": name, "count": count}
        for name, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    ]
