"""Sums over the items of Insights: metrics, trends, builds and errors, in the shapes of the API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sauce_janitor.sandbox.world.insights import InsightsRun, iso

_BUILDS, _TESTS = 25, 10
"""Source: Insights API Methods, comments in the sample of Get Builds and Tests."""


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
