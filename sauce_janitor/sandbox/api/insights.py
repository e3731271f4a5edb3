"""The five methods of the Insights API, in both generations of its parameters."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import NoReturn

from sauce_janitor.sandbox.api.access import may_read
from sauce_janitor.sandbox.core.messages import (
    SandboxAnswer,
    SandboxRequest,
    as_json,
    forbidden,
    not_found,
)
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world import insight_sums, insights
from sauce_janitor.sandbox.world.insights import InsightsRun, InsightsSelection
from sauce_janitor.sandbox.world.world import World

_SIZE, _LARGEST, _DEEPEST = 10, 1000, 10_000
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_INTERVALS = ("1m", "15m", "1h", "6h", "12h", "1d", "7d", "30d")
_TRUE = {"true", "1", ""}


class _BadError(Exception):
    """A request is refused with this answer."""

    def __init__(self, answer: SandboxAnswer) -> None:
        super().__init__()
        self.answer = answer


@dataclass(frozen=True, slots=True)
class _Query:
    """The parameters of one request. A behaviour says which generation of names counts."""

    world: World
    request: SandboxRequest
    refuses_with_422: bool

    @property
    def is_newer(self) -> bool:
        return self.world.behaviours.insights_parameters == "newer"

    def refuse(self, name: str, message: str) -> NoReturn:
        """Refuse the request: the newer tests and trends as FastAPI does, all others with 400."""
        # The documentation says 400, the newer OpenAPI file 422 for these methods.
        if self.is_newer and self.refuses_with_422:
            detail = [{"loc": ["query", name], "msg": message, "type": "value_error"}]
            raise _BadError(as_json({"detail": detail}, 422))
        raise _BadError(as_json({"meta": {"status": 400}, "errors": message}, 400))

    def one(self, older: str, newer: str | None = None) -> str | None:
        """Return a parameter by its name in this generation. The other name is ignored."""
        return self.request.one(newer if newer is not None and self.is_newer else older)

    def all(self, name: str) -> tuple[str, ...]:
        return self.request.query.get(name, ())

    def flag(self, older: str, newer: str, *, default: bool) -> bool:
        text = self.one(older, newer)
        return default if text is None else text.lower() in _TRUE

    def whole(self, name: str, default: int) -> int:
        text = self.request.one(name)
        if text is None:
            return default
        if not text.isdecimal():
            self.refuse(name, "value is not a valid integer")
        return int(text)

    def span(self) -> tuple[float, float]:
        """Return the first and the last time, both included."""
        # The documentation wants either `time_range` or both ends; saucerest-java refuses both
        # together.
        length = self.request.one("time_range")
        if length is not None:
            now = self.world.clock()
            return now - self.duration("time_range", length), now
        start, end = self.request.one("start"), self.request.one("end")
        if start is None or end is None:
            self.refuse(
                "start" if start is None else "end", "start and end parameters are required."
            )
        return self._time("start", start), self._time("end", end)

    def duration(self, name: str, text: str) -> int:
        found = re.fullmatch(r"(\d{1,9})([smhd])", text)
        if found is None or not int(found[1]):
            self.refuse(name, f"{name} is a number and one of s, m, h, d")
        return int(found[1]) * _UNITS[found[2]]

    def _time(self, name: str, text: str) -> float:
        # The older documentation also allows Unix time.
        if text.isdecimal():
            return float(text)
        try:
            return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()
        except ValueError:
            self.refuse(name, "invalid datetime format")


def tests(world: World, request: SandboxRequest) -> SandboxAnswer:
    """Answer Get Test Results, in pages by `from` and `size`.

    By default the older generation is oldest first, the newer one newest first.
    """

    def found(query: _Query) -> dict[str, object]:
        # The vendor documents no maximum; a page must stay small enough to build in memory.
        size, start = min(query.whole("size", _SIZE), _LARGEST), query.whole("from", 0)
        # Elasticsearch refuses deeper pages by default; whether Insights does is not documented.
        if world.behaviours.insights_depth == "10000" and start + size > _DEEPEST:
            query.refuse("from", f"from + size must be at most {_DEEPEST}")
        checks: list[Callable[[InsightsRun], bool]] = []
        build, error, name = query.one("build"), query.one("error"), query.one("query", "name")
        if build is not None:
            checks.append(lambda item: item.build == build)
        # In the older generation the parameter has no value, so an empty one is true.
        if query.flag("missing_build", "build_missing", default=False):
            checks.append(lambda item: item.build is None)
        if error is not None:
            checks.append(lambda item: item.error == error)
        if name is not None:
            checks.append(lambda item: item.name == name)
        # The default order changed between the generations: a client that relies on it reads the
        # other end.
        newest_first = query.flag("desc", "descending", default=query.is_newer)
        every = insights.items(world, _wanted(query, checks), newest_first=newest_first)
        # One row more than the page shows whether there is another page.
        rows = [item.document(request.base_url) for item in islice(every, start, start + size + 1)]
        return {"items": rows[:size], "has_more": len(rows) > size}

    return _answer(world, request, found, refuses_with_422=True)


def metrics(world: World, request: SandboxRequest) -> SandboxAnswer:
    """Answer Get Summary of Test Metrics, for the test that `query` names."""

    def found(query: _Query) -> dict[str, object]:
        name = request.one("query")
        if not name:
            query.refuse("query", "query parameter is required.")
        wanted = _wanted(query, [lambda item: item.name == name])
        return {"aggs": insight_sums.metrics(insights.items(world, wanted), request.base_url)}

    return _answer(world, request, found)


def trends(world: World, request: SandboxRequest) -> SandboxAnswer:
    """Answer Get Test Trends by `interval`.

    The older generation accepts any length, the newer one only a few (default: a day).
    """

    def found(query: _Query) -> dict[str, object]:
        text = request.one("interval")
        if text is None:
            text = (
                "1d"
                if query.is_newer
                else query.refuse("interval", "interval parameter is required.")
            )
        # The older documentation allows any duration, the newer one has a list.
        if query.is_newer and text not in _INTERVALS:
            query.refuse("interval", f"interval is one of {', '.join(_INTERVALS)}")
        interval_s = query.duration("interval", text)
        return insight_sums.trends(insights.items(world, _wanted(query)), interval_s)

    return _answer(world, request, found, refuses_with_422=True)


def builds_and_tests(world: World, request: SandboxRequest) -> SandboxAnswer:
    """Answer Get Builds and Tests."""
    return _answer(
        world,
        request,
        lambda query: insight_sums.builds_and_tests(
            insights.items(world, _wanted(query)), request.base_url
        ),
    )


def errors(world: World, request: SandboxRequest) -> SandboxAnswer:
    """Answer Get Error Trends."""
    return _answer(
        world,
        request,
        lambda query: {
            "buckets": insight_sums.errors(insights.items(world, _wanted(query)), request.base_url)
        },
    )


def _answer(
    world: World,
    request: SandboxRequest,
    found: Callable[[_Query], dict[str, object]],
    *,
    refuses_with_422: bool = False,
) -> SandboxAnswer:
    switch = world.behaviours.insights
    if switch != "on":
        return forbidden() if switch == "forbidden" else not_found()
    try:
        return as_json({"meta": {"status": 200}, **found(_Query(world, request, refuses_with_422))})
    except _BadError as bad:
        return bad.answer


def _wanted(
    query: _Query, checks: list[Callable[[InsightsRun], bool]] | None = None
) -> InsightsSelection:
    """Return the selection that all methods have: the period, people, status, os and browser."""
    since, until = query.span()
    statuses, systems, browsers = (
        frozenset(query.all(name)) for name in ("status", "os", "browser")
    )
    # Clients confuse `error` (Jobs API) with `errored`; an empty result would hide that.
    unknown = statuses - set(insights.STATUSES)
    if unknown:
        query.refuse("status", f"status is one of {', '.join(insights.STATUSES)}")
    every = list(checks or [])
    if statuses:
        every.append(lambda item: item.status in statuses)
    if systems:
        every.append(lambda item: item.os in systems)
    if browsers:
        every.append(lambda item: item.browser in browsers)
    return InsightsSelection(_people(query), since, until, every)


def _people(query: _Query) -> list[Person]:
    """Return the people whose tests are selected.

    `scope` is `me`, `organization`, or `single` with one or more `owner`. Without a scope it is the
    owner, else the asking user. People whose jobs the asking user may not see are left out, and so
    are unknown names.
    """
    scope, owners = query.one("scope"), query.all("owner")
    asking = query.request.user
    organisation = query.world.organisation
    if scope not in {None, "me", "organization", "single"}:
        query.refuse("scope", "scope is one of me, organization, single")
    if scope == "single" and not owners:
        query.refuse("owner", "owner parameter is required.")
    if scope == "organization":
        chosen = list(organisation.people)
    elif scope == "single" or (scope is None and owners):
        # A repeated owner must not double the counts.
        named = (organisation.named(name) for name in dict.fromkeys(owners))
        chosen = [person for person in named if person is not None]
    else:
        chosen = [asking] if asking is not None else []
    return [person for person in chosen if may_read(query.world, query.request, person) is None]
