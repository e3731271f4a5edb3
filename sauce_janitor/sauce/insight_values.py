"""What the Insights API answers, as values for display.

A field is None where the API says null or nothing, UNKNOWN where it cannot be read. What these
values name may have been deleted since: nothing is changed because of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from sauce_janitor.model.jobs import Text, Time, Unknown

Number: TypeAlias = int | float | Literal[Unknown.UNKNOWN] | None
Count: TypeAlias = int | Literal[Unknown.UNKNOWN]
Named: TypeAlias = tuple[tuple[str, int], ...]
"""Names with how often each occurs, in the order of the answer."""


@dataclass(frozen=True, slots=True)
class InsightItem:
    """One test that ran. Times are epoch seconds UTC.

    `expired` says that Sauce Labs does not have its assets, or its job, any more. `ancestor` is the
    account that the owner's account belongs to. `details_url` is the job's address, without
    secrets.
    """

    id: str
    owner: Text
    name: Text
    build: Text
    status: Text
    error: Text
    os: Text
    browser: Text
    created_at: Time
    started_at: Time
    ended_at: Time
    duration_s: Number
    expired: bool | Literal[Unknown.UNKNOWN] | None
    ancestor: Text = None
    os_normalized: Text = None
    browser_normalized: Text = None
    details_url: Text = None


@dataclass(frozen=True, slots=True)
class InsightItems:
    """Some tests that ran, and how many rows they came in.

    `rejected` says why rows are left out. `has_more` says whether there are more, None where the
    answer does not say.
    """

    items: tuple[InsightItem, ...]
    rows: int
    rejected: tuple[str, ...]
    has_more: bool | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The runs of one test, counted. Both times are means in seconds, whatever their names say.

    Source: the API's sample, where 1,008 runs of 25 to 1,858 s have a totalRunTime of 33.2.
    """

    count: Count
    statuses: Named
    fastest: InsightItem | None
    slowest: InsightItem | None
    queue_time: Number
    run_time: Number


@dataclass(frozen=True, slots=True)
class Bucket:
    """The test runs of one interval, from `at` (epoch seconds UTC) on; `by` counts them by owner,
    os, status.
    """

    at: Time
    count: Count
    by: Mapping[str, Named]


@dataclass(frozen=True, slots=True)
class Trends:
    """Test runs by time, and counted over the whole time."""

    buckets: tuple[Bucket, ...]
    totals: Mapping[str, Named]
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildItems:
    """One build's test runs: how many, from when to when, and some of them."""

    name: Text
    tests: Count
    duration_s: Number
    started_at: Time
    ended_at: Time
    statuses: Named
    some: InsightItems


@dataclass(frozen=True, slots=True)
class BuildsAndTests:
    """Test runs by build, and those without one. Source: the API's page: at most 25 builds of 10
    tests.
    """

    builds: tuple[BuildItems, ...]
    has_more: bool | None
    without_build: InsightItems
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorItems:
    """One error: how many test runs ended with it, and some of them."""

    error: str
    count: Count
    some: InsightItems


@dataclass(frozen=True, slots=True)
class ErrorTrends:
    """Errors, in the order of the answer."""

    errors: tuple[ErrorItems, ...]
    rejected: tuple[str, ...]
