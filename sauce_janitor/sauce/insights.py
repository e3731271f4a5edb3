"""The Insights API: what ran, counted and searched. GET only.

Nothing is changed because of its answers: its items outlive the jobs. Source: Insights API Methods;
the newer spellings of parameters are from the vendor's OpenAPI file. It cannot be asked which of
both generations serves an account, so renamed parameters are sent under both names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from sauce_janitor.errors import AnswerError, NotOfferedError
from sauce_janitor.sauce.http.request_events import Endpoint
from sauce_janitor.sauce.http.transport import HttpRequest, Transport
from sauce_janitor.sauce.insight_columns import InsightRow
from sauce_janitor.sauce.insight_rows import (
    parse_builds_and_tests,
    parse_errors,
    parse_items,
    parse_summary,
    parse_trends,
)
from sauce_janitor.sauce.insight_values import (
    BuildsAndTests,
    ErrorTrends,
    InsightItems,
    Trends,
)

Scope: TypeAlias = Literal["me", "organization", "single"]
_ITEMS_A_PAGE: Final = 100
_UNITS_S: Final = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_Query: TypeAlias = list[tuple[str, str | int]]
_Generation: TypeAlias = Literal["both", "newer", "older"]
_GENERATIONS: Final[tuple[_Generation, ...]] = ("both", "newer", "older")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` to `end` (epoch seconds UTC), or the time `back` (`7d`, `12h`, `30m`, `90s`)
    until now.
    """

    start: int | None = None
    end: int | None = None
    back: str | None = None

    def fixed(self, now: int) -> Period:
        """Return the period with a fixed start and end, for more than one request.

        `now` is epoch seconds UTC.
        """
        if self.back is None:
            return self
        return Period(now - int(self.back[:-1]) * _UNITS_S[self.back[-1]], now)

    def query(self) -> _Query:
        """Return the query parameters.

        Source: start and end as YYYY-MM-DDTHH:MM:SSZ, or time_range; the newer API refuses both
        together.
        """
        if self.back is not None:
            return [("time_range", self.back)]
        assert self.start is not None
        assert self.end is not None
        return [("start", _iso(self.start)), ("end", _iso(self.end))]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tests; empty or None means all. Fields from `name` on are for Get Test Results
    alone.
    """

    scope: Scope | None = None
    owners: tuple[str, ...] = ()
    status: str | None = None
    os: tuple[str, ...] = ()
    browser: tuple[str, ...] = ()
    name: str | None = None
    build: str | None = None
    error: str | None = None
    without_build: bool = False
    newest_first: bool = True

    def query(self) -> _Query:
        """Return the parameters that every method takes."""
        scope = self.scope or ("single" if self.owners else None)
        found: _Query = [("scope", scope)] if scope else []
        found += [("owner", owner) for owner in self.owners]
        found += [("status", self.status)] if self.status else []
        found += [("os", each) for each in self.os]
        return found + [("browser", each) for each in self.browser]

    def search(self, generation: _Generation) -> _Query:
        """Return the parameters of Get Test Results alone, by the names that this generation
        knows.
        """
        found: _Query = [("build", self.build)] if self.build is not None else []
        found += [("error", self.error)] if self.error is not None else []
        newest = "true" if self.newest_first else "false"
        if generation != "newer":
            found += [("desc", newest)]
            found += [("query", self.name)] if self.name is not None else []
            found += [("missing_build", "")] if self.without_build else []
        if generation != "older":
            found += [("descending", newest)]
            found += [("name", self.name)] if self.name is not None else []
            found += [("build_missing", "true")] if self.without_build else []
        return found


class Insights:
    """Asks the Insights API of one account.

    Raises what `SauceReader` raises, and AnswerError where the API is not offered.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._generation: _Generation | None = None

    def tests(self, period: Period, which: Filter, *, most: int) -> Iterator[InsightItems]:
        """Get Test Results: yield page after page, each item once, until the end or `most` rows.

        For more than a page the period should have a fixed start and end, or the pages may not fit
        together. Raises AnswerError for a page without anything new although there should be more.
        """
        seen: set[str] = set()
        rows = 0
        while rows < most:
            size = min(most - rows, _ITEMS_A_PAGE)
            page = self._page(period, which, start=rows, size=size)
            rows += page.rows
            new = tuple(
                {item["id"]: item for item in page.items if item["id"] not in seen}.values()
            )
            seen.update(item["id"] for item in new)
            # Where the answer does not say whether there is more, an empty page is the end.
            more = page.has_more if page.has_more is not None else page.rows > 0
            yield replace(page, items=new, has_more=more)
            if not more:
                return
            if not new and not page.rejected:
                raise AnswerError(
                    "the list of test results gives the same page again: it is not complete"
                )

    def metrics(self, period: Period, which: Filter, *, test: str) -> InsightRow:
        """Get Summary of Test Metrics, of the test of that name."""
        query = [*period.query(), ("query", test), *which.query()]
        return self._ask(
            "insights/test-metrics",
            query,
            "insights_metrics",
            f"the metrics of {test!a:.80}",
            parse_summary,
        )

    def trends(self, period: Period, which: Filter, *, interval: str) -> Trends:
        """Get Test Trends, by the interval (`1h`, `1d`)."""
        query = [*period.query(), ("interval", interval), *which.query()]
        return self._ask(
            "trends/tests", query, "insights_trends", "the trends of tests", parse_trends
        )

    def builds(self, period: Period, which: Filter) -> BuildsAndTests:
        """Get Builds and Tests. More than one answer's worth cannot be asked for."""
        query = [*period.query(), *which.query()]
        return self._ask(
            "trends/builds_tests",
            query,
            "insights_builds",
            "builds and tests",
            parse_builds_and_tests,
        )

    def errors(self, period: Period, which: Filter) -> ErrorTrends:
        """Get Error Trends."""
        query = [*period.query(), *which.query()]
        return self._ask(
            "trends/errors", query, "insights_errors", "the trends of errors", parse_errors
        )

    def _page(self, period: Period, which: Filter, *, start: int, size: int) -> InsightItems:
        """Return one page, asked for with both spellings.

        If those are refused together, it is asked for with the newer ones, then with the older
        ones.
        """
        refused: AnswerError | None = None
        for generation in _GENERATIONS if self._generation is None else (self._generation,):
            query = [
                *period.query(),
                *which.query(),
                *which.search(generation),
                ("from", start),
                ("size", size),
            ]
            try:
                page = self._ask("tests", query, "insights_tests", "the test results", parse_items)
            # A 404 is about the API as a whole, not about the spelling.
            except NotOfferedError:
                raise
            except AnswerError as error:
                refused = refused or error
            else:
                self._generation = generation
                return page
        assert refused is not None
        raise refused

    def _ask(
        self,
        method: str,
        query: _Query,
        endpoint: Endpoint,
        what: str,
        parse: Callable[[object], _T],
    ) -> _T:
        target = f"/v1/analytics/{method}?{urlencode(query, quote_via=quote)}"
        found = self._transport.get_json(HttpRequest("GET", target, endpoint, what, optional=True))
        if found is None:
            raise NotOfferedError(f"{self._transport.connection.host} does not offer {what} (404)")
        return parse(found.value)


def _iso(time: int) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
