"""What the Insights API answers, as rows by the columns of `insight_columns`.

What these rows name may have been deleted since: nothing is changed because of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from sauce_janitor.sauce.insight_columns import InsightRow

Named: TypeAlias = tuple[tuple[str, int], ...]
"""Names with how often each occurs, in the order of the answer."""


@dataclass(frozen=True, slots=True)
class InsightItems:
    """Some tests that ran, and how many rows they came in.

    `rejected` says why rows are left out. `has_more` says whether there are more, None where the
    answer does not say.
    """

    items: tuple[InsightRow, ...]
    rows: int
    rejected: tuple[str, ...]
    has_more: bool | None


@dataclass(frozen=True, slots=True)
class InsightGroup:
    """A build or an error, and some of its tests."""

    row: InsightRow
    some: InsightItems


@dataclass(frozen=True, slots=True)
class Trends:
    """Test runs by time, and counted over the whole time."""

    buckets: tuple[InsightRow, ...]
    totals: Mapping[str, Named]
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BuildsAndTests:
    """Test runs by build, and those without one. Source: the API's page: at most 25 builds of 10
    tests.
    """

    builds: tuple[InsightGroup, ...]
    has_more: bool | None
    without_build: InsightItems
    rejected: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ErrorTrends:
    """Errors, in the order of the answer."""

    errors: tuple[InsightGroup, ...]
    rejected: tuple[str, ...]
