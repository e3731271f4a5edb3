"""Builds for display: whole records, found by time, status and name, of virtual and real devices.

No decision uses them: what rules read of a build is `model.jobs.Build`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal, TypeAlias, TypeVar

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import (
    UNKNOWN,
    Build,
    Flag,
    JobId,
    Owner,
    Text,
    Time,
    Unknown,
    is_same_user,
)
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.sauce.build_members import (
    MEMBERS_A_PAGE,
    BuildMember,
    each_member,
    parse_members,
)
from sauce_janitor.sauce.build_pages import each_once
from sauce_janitor.sauce.build_rows import ForeignBuildError, parse_build, parse_builds
from sauce_janitor.sauce.http import paths
from sauce_janitor.sauce.http.paths import BuildSource
from sauce_janitor.sauce.http.request_events import Endpoint
from sauce_janitor.sauce.http.transport import FoundJson, HttpRequest, Transport
from sauce_janitor.sauce.json_fields import counter, flag_field, text_field, time_field
from sauce_janitor.sauce.people import People

BUILDS_A_PAGE: Final = 100
_OLDER_A_PAGE: Final = 500
# A look-up of a build that does not exist must not read the whole list.
_MOST_OLDER: Final = 2_500
_MOST_BUILD_PAGES: Final = 2_000
# 2099: the API may refuse a start without an end.
_FAR: Final = 4_102_444_799
_LONGEST_BUILD_S: Final = 7 * DAY_S
COUNTERS: Final = (
    "passed",
    "failed",
    "errored",
    "completed",
    "finished",
    "running",
    "queued",
    "new",
    "public",
)
"""The job counters of a build, as the API calls them."""
Counted: TypeAlias = int | Literal[Unknown.UNKNOWN] | None


@dataclass(frozen=True, slots=True)
class BuildRecord:
    """Everything that a builds API says of one build; None where it says null or nothing.

    Times are epoch seconds UTC; `ended_at` can be set while jobs run. `counters` are those of
    `COUNTERS` that the record has. Only the older API has `number` and `prefix`, only the newer one
    `owner_id` (a user's uuid) and `source`.
    """

    build: Build
    created_at: Time
    started_at: Time
    ended_at: Time
    modified_at: Time
    deleted_at: Time
    counters: Mapping[str, int]
    passed: Flag
    public: Flag
    run: Counted
    number: Counted
    prefix: Text
    owner_id: Text
    team_id: Text
    org_id: Text
    group_id: Text
    source: Text

    @property
    def id(self) -> str:
        """Return the build's id."""
        return self.build.id


_B = TypeVar("_B", Build, BuildRecord)


@dataclass(frozen=True, slots=True)
class BuildFilter:
    """Which builds to ask for; None and () mean all. Times are epoch seconds UTC, both included.

    It only saves requests. It is not documented which of these a server knows, so its answers are
    filtered again.
    """

    name: str | None = None
    statuses: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None

    def query(self) -> list[tuple[str, str | int]]:
        """Return the query parameters.

        Source: Builds API, Lookup Builds; `name` is from the vendor's Java client.
        """
        found: list[tuple[str, str | int]] = [("status", status) for status in self.statuses]
        found += [("name", self.name)] if self.name is not None else []
        if self.since is not None or self.until is not None:
            # It is not documented which time `end` is compared with, and a build may end days after
            # its creation.
            end = _FAR if self.until is None else min(self.until + _LONGEST_BUILD_S, _FAR)
            found += [("start", self.since or 0), ("end", end)]
        return found


def parse_record(row: object) -> BuildRecord:
    """Parse one build record, of either API. Raises AnswerError without a usable id."""
    build = parse_build(row)
    assert isinstance(row, Mapping)
    known = {name: counter(row, name) for name in COUNTERS}

    def time_of(key: str) -> Time:
        return time_field(row, key) if key in row else None

    def text_of(key: str) -> Text:
        return text_field(row, key) if key in row else None

    def flag_of(key: str) -> Flag:
        return flag_field(row, key) if key in row else None

    return BuildRecord(
        build=build,
        created_at=time_of("creation_time"),
        started_at=time_of("start_time"),
        ended_at=time_of("end_time"),
        modified_at=time_of("modification_time"),
        deleted_at=time_of("deletion_time"),
        counters={name: count for name, count in known.items() if isinstance(count, int)},
        passed=flag_of("passed"),
        public=flag_of("public"),
        run=_number(row, "run"),
        number=_number(row, "number"),
        prefix=text_of("prefix"),
        owner_id=text_of("owner_id"),
        team_id=text_of("team_id"),
        org_id=text_of("org_id"),
        group_id=text_of("group_id"),
        source=text_of("source"),
    )


def _number(row: Mapping[str, object], key: str) -> Counted:
    value = row.get(key)
    if value is None:
        return None
    return (
        value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else UNKNOWN
    )


def each_build(first: tuple[_B, ...], ask: Callable[[int], tuple[_B, ...] | None]) -> Iterator[_B]:
    """Yield every build once, in the order of the pages that `ask` returns for an offset, from
    `first`.
    """
    return each_once(first, ask, what="the list of builds", most_pages=_MOST_BUILD_PAGES)


class BuildRecords:
    """Looks up builds. Raises what `SauceReader` raises."""

    def __init__(self, transport: Transport, people: People) -> None:
        self._transport, self._people = transport, people

    def find(
        self, owner: Owner, source: BuildSource, which: BuildFilter
    ) -> Iterator[BuildRecord] | None:
        """Return the owner's builds, each once, newest first.

        They come from the newer API, or else (virtual devices) unfiltered from the older one. None
        when neither is offered.
        """
        user_id: str | None = None
        is_own = is_same_user(owner, self._transport.connection.username)
        # Without a user's id, the newer API lists the builds of the user who asks.
        if not is_own:
            user_id = self._people.user_id(owner)
        if is_own or user_id is not None:

            def page(offset: int) -> tuple[BuildRecord, ...] | None:
                query = [("limit", BUILDS_A_PAGE), ("offset", offset), *which.query()]
                query += [("user_id", user_id)] if user_id is not None else []
                return self._page(
                    paths.builds_found(source, query), "the list of builds", user_id=user_id
                )

            # ForeignBuildError: the server does not know the filter and lists builds of others.
            # They must not be taken for this owner's, so the older API is asked.
            with suppress(ForeignBuildError):
                if (first := page(0)) is not None:
                    return each_build(first, page)
        return self._older(owner) if source == "vdc" else None

    def one(self, build_id: str, source: BuildSource, owner: Owner) -> BuildRecord | None:
        """Return one build; None when there is none.

        The older API shows it only in its owner's list; there only the newest builds are searched.
        """
        found = self._get(paths.build_v2(build_id, source), "build", f"build {build_id!a:.80}")
        if found is None:
            older = self._older(owner) if source == "vdc" else None
            newest = islice(older or (), _MOST_OLDER)
            return next((record for record in newest if record.id == build_id), None)
        record = parse_record(found.value)
        if record.id != build_id:
            raise AnswerError(
                f"asked for build {build_id!a:.80}, Sauce Labs answered with {record.id!a:.80}"
            )
        return record

    def of_job(self, job: JobId, source: BuildSource) -> BuildRecord | None:
        """Return the build of a job; None when it has none, or the newer API is not offered."""
        found = self._get(paths.build_of_job(job, source), "build", f"the build of job {job}")
        return None if found is None else parse_record(found.value)

    def members(self, build_id: str, source: BuildSource = "vdc") -> Iterator[BuildMember] | None:
        """Return the jobs of one build, each once; None when no API offers them.

        They come from the newer API, or else (virtual devices) from the older one.
        """
        what = f"the jobs of build {build_id!a:.80}"

        def page(offset: int) -> tuple[BuildMember, ...] | None:
            target = paths.build_jobs_v2(
                build_id, limit=MEMBERS_A_PAGE, offset=offset, source=source
            )
            found = self._get(target, "build_jobs", what)
            return None if found is None else parse_members(found.value)

        members = each_member(page)
        if members is not None or source == "rdc":
            return members
        found = self._get(paths.build_jobs_v1(build_id), "build_jobs", what)
        if found is None:
            return None
        by_id = {member.id: member for member in parse_members(found.value)}
        return iter(by_id.values())

    def _older(self, owner: Owner) -> Iterator[BuildRecord] | None:
        def page(skip: int) -> tuple[BuildRecord, ...] | None:
            target = paths.builds_v1(owner, limit=_OLDER_A_PAGE, skip=skip)
            return self._page(target, f"the list of builds of {owner}", owner=owner)

        first = page(0)
        return None if first is None else each_build(first, page)

    def _page(
        self, target: str, what: str, *, user_id: str | None = None, owner: Owner | None = None
    ) -> tuple[BuildRecord, ...] | None:
        found = self._get(target, "builds", what)
        if found is None:
            return None
        # Raises for an answer that is no list, or that lists somebody else's builds.
        parse_builds(found.value, user_id=user_id, owner=owner)
        rows = found.value.get("builds") if isinstance(found.value, Mapping) else found.value
        return tuple(map(parse_record, rows if isinstance(rows, list) else ()))

    def _get(self, target: str, endpoint: Endpoint, what: str) -> FoundJson | None:
        return self._transport.get_json(HttpRequest("GET", target, endpoint, what, optional=True))
