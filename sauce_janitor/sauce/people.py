"""Whose jobs an organization or a team has: users and service accounts by team management, else who
ran tests by Insights.

Source: Accounts API Methods, Lookup Users; service accounts from the vendor's MCP server.
`username` there is a prefix match and never used. Service accounts own jobs too, are no users, and
may not ask for either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from sauce_janitor.errors import (
    AnswerError,
    ForbiddenError,
    NotOfferedError,
    SourceError,
    SourceUnavailableError,
)
from sauce_janitor.model.jobs import Owner, owner_name
from sauce_janitor.sauce.http.request_events import Endpoint
from sauce_janitor.sauce.http.transport import HttpRequest, Transport
from sauce_janitor.sauce.insights import Filter, Insights, Period
from sauce_janitor.sauce.teams import Team, parse_teams, the_team

SEEN_BACK_S: Final = 30 * 86_400
"""How far back Insights is asked who ran tests."""
_PEOPLE_A_PAGE: Final = 100  # Source: Lookup Users, limit: at most 100
_MOST_PAGES: Final = 1_000
_MOST_ITEMS: Final = 5_000
_DAY_S: Final = 86_400
_USER_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_FEW: Final = 3
_ORGANIZATION: Final = Filter(scope="organization", newest_first=False)


@dataclass(frozen=True, slots=True)
class Organization:
    """The owners of an organization's jobs, sorted, and `how` they were found, in words.

    `gaps` say why there may be more of them than were found; without any, all that could be asked
    for was answered whole.
    """

    owners: tuple[Owner, ...]
    how: str
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of people: their names and ids, how many rows it has, why some are none, and what it
    says of how much there is.

    `teams` are the ids of the teams that service accounts are in.
    """

    names: tuple[Owner, ...]
    ids: Mapping[Owner, str]
    teams: Mapping[Owner, str]
    rows: int
    rejected: tuple[str, ...]
    count: int | None
    has_more: bool | None


def parse_people(answer: object) -> PeoplePage:
    """An object with `results`, each with a `username`. AnswerError for anything else; a bad row is
    rejected.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get("results"), list):
        raise AnswerError(f"the answer has no list of results: {answer!a:.80}")
    names: list[Owner] = []
    ids: dict[Owner, str] = {}
    teams: dict[Owner, str] = {}
    rejected: list[str] = []
    for number, row in enumerate(answer["results"]):
        try:
            name = owner_name(row.get("username") if isinstance(row, Mapping) else None)
        except ValueError as error:
            rejected.append(f"row {number}: {error}")
            continue
        names.append(name)
        identity = row.get("id")
        if isinstance(identity, str) and _USER_ID.fullmatch(identity):
            ids[name] = identity
        team = row.get("team")
        if isinstance(team, Mapping) and isinstance(team.get("id"), str):
            teams[name] = team["id"]
    count, links = answer.get("count"), answer.get("links")
    return PeoplePage(
        names=tuple(names),
        ids=ids,
        teams=teams,
        rows=len(answer["results"]),
        rejected=tuple(rejected),
        count=(
            count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
        ),
        has_more=bool(links.get("next")) if isinstance(links, Mapping) else None,
    )


class People:
    """Asks who is in an account's organization. Raises what `SauceReader` raises."""

    def __init__(self, transport: Transport, insights: Insights) -> None:
        self._transport = transport
        self._insights = insights
        self._ids: dict[Owner, str | None] = {}
        self._team_of: dict[Owner, str] = {}

    def user_id(self, owner: Owner) -> str | None:
        """The user's id, as builds have it; None where it cannot be had. SourceError only for what
        ends the account's run.
        """
        if owner not in self._ids:
            self._ids[owner] = None
            with suppress(ForbiddenError, AnswerError):
                # of a prefix, in fact
                query = f"username={quote(owner, safe='')}&limit={_PEOPLE_A_PAGE}&offset=0"
                found = self._page("users", query, f"user {owner}")
                self._ids[owner] = found.ids.get(owner)
        return self._ids[owner]

    def organization(self, *, now: int) -> Organization:
        """All owners that can be found. `now` is epoch seconds.

        ForbiddenError when neither team management nor Insights may be asked, SourceError when
        neither answers; CredentialsError, BudgetSpentError and StoppedError end it at once.
        """
        search = _Search()
        users = search.take(self._listed("users", (), "the organization's users"))
        users = users or search.take(
            self._listed("users", (("status", "inactive"),), "the organization's inactive users")
        )
        services = search.take(
            self._listed("service-accounts", (), "the organization's service accounts")
        )
        if isinstance(services, NotOfferedError):
            services = None  # not every plan has them
        if users is None and services is None and search.owners and not search.gaps:
            return search.found("by team management")
        others = search.take(self._who_ran_tests(now))
        return search.concluded(users, services, others)

    def teams(self, wanted: Sequence[str]) -> Organization:
        """All owners in the teams of these names or ids: their members, and the service accounts
        that are in them.

        ConfigError for a team that is not there, or one of several with one name; SourceError when
        team management does not answer, when it breaks off, or when nobody is in them: Insights
        does not know of teams. ForbiddenError, CredentialsError, BudgetSpentError and StoppedError
        as `organization`.
        """
        try:
            there = self._every_team()
            found = [the_team(each, there) for each in wanted]
            members = {
                name
                for team in found
                for names in self._listed(
                    f"teams/{team.id}/members", (), f"the members of team {team.name}"
                )
                for name in names
            }
        except (ForbiddenError, NotOfferedError, AnswerError) as wrong:
            remedy = (
                "list their names under `users`, or use the credentials of an organization or "
                "team admin"
            )
            raise type(wrong)(
                f"who is in {_called(wanted)} cannot be had: {wrong}. Nothing was listed; {remedy}"
            ) from wrong
        ids = {team.id for team in found}
        gaps: tuple[str, ...] = ()
        try:
            every = [
                name
                for names in self._listed("service-accounts", (), "the service accounts")
                for name in names
            ]
            members.update(name for name in every if self._team_of.get(name) in ids)
        except NotOfferedError:
            pass  # not every plan has them
        except (ForbiddenError, AnswerError, SourceUnavailableError) as wrong:
            gaps = (str(wrong),)
        if not members:
            raise SourceError(f"nobody is in {_called(wanted)}: nothing was listed")
        return Organization(tuple(sorted(members)), "by team management", gaps)

    def _every_team(self) -> tuple[Team, ...]:
        rows: list[object] = []
        for _ in range(_MOST_PAGES):
            what = "the organization's teams"
            query = f"limit={_PEOPLE_A_PAGE}&offset={len(rows)}"
            answer = self._answer("teams", query, what)
            page = answer.get("results") if isinstance(answer, Mapping) else None
            if not isinstance(answer, Mapping) or not isinstance(page, list):
                raise AnswerError(f"the answer has no list of results: {answer!a:.80}")
            rows += page
            count = answer.get("count")
            is_whole = not page if not isinstance(count, int) else len(rows) >= count
            if is_whole or not page:
                if isinstance(count, int) and len(rows) < count:
                    raise AnswerError(
                        f"{what} are {count:,}, says the answer, and it lists {len(rows):,}"
                    )
                return parse_teams(rows)
        raise AnswerError("the list of the organization's teams does not end")

    def _listed(
        self, resource: str, query: tuple[tuple[str, str], ...], what: str
    ) -> Iterator[tuple[Owner, ...]]:
        """The names, page by page. AnswerError when the list is plainly not whole."""
        seen: set[Owner] = set()
        rows, rejected, wrong = 0, 0, ""
        for _ in range(_MOST_PAGES):
            words = "&".join(
                f"{key}={value}"
                for key, value in (*query, ("limit", _PEOPLE_A_PAGE), ("offset", rows))
            )
            page = self._page(resource, words, what)
            self._ids.update(page.ids)
            self._team_of.update(page.teams)
            yield page.names
            new = len(seen)
            seen.update(page.names)
            rows, rejected, wrong = (
                rows + page.rows,
                rejected + len(page.rejected),
                wrong or "".join(page.rejected[:1]),
            )
            known = len(seen) + rejected
            is_whole = page.count is None or known >= page.count
            may_end = page.has_more is False or (page.has_more is None and page.count is not None)
            if page.rows == 0 or (is_whole and may_end):
                if rejected:
                    raise AnswerError(f"{rejected} of {what} cannot be read ({wrong})")
                if not is_whole:
                    raise AnswerError(
                        f"{what} are {page.count:,}, says the answer, and it lists {known:,}"
                    )
                return
            if len(seen) == new and not page.rejected:
                break
        raise AnswerError(f"the list of {what} does not end, or gives the same page again")

    def _page(self, resource: str, query: str, what: str) -> PeoplePage:
        return parse_people(self._answer(resource, query, what))

    def _answer(self, resource: str, query: str, what: str) -> object:
        kinds: dict[str, Endpoint] = {"users": "users", "service-accounts": "service_accounts"}
        path = f"/team-management/v1/{resource}?{query}"
        found = self._transport.get_json(
            HttpRequest("GET", path, kinds.get(resource, "teams"), what, optional=True)
        )
        if found is None:
            raise NotOfferedError(f"{self._transport.connection.host} does not offer {what} (404)")
        return found.value

    def _who_ran_tests(self, now: int) -> Iterator[tuple[Owner, ...]]:
        """Who ran tests of late, by the trend of each day; of a day that does not add up, by its
        test results.
        """
        period = Period(now - SEEN_BACK_S, now)
        trends = self._insights.trends(period, _ORGANIZATION, interval="1d")
        yield _names([name for name, _ in trends.totals.get("owner", ())])
        doubtful = [period] if trends.rejected else []
        for bucket in trends.buckets:
            named = bucket.by.get("owner", ())
            yield _names([name for name, _ in named])
            if bucket.count != sum(count for _, count in named):
                at = bucket.at
                doubtful.append(
                    Period(at, min(at + _DAY_S, now)) if isinstance(at, int) else period
                )
        left = _MOST_ITEMS
        for each in dict.fromkeys(doubtful):
            for page in self._insights.tests(each, _ORGANIZATION, most=left):
                yield _names([item.owner for item in page.items])
                if page.rejected:
                    raise AnswerError(
                        f"the test results of Insights cannot all be read ({page.rejected[0]})"
                    )
                left -= page.rows
                if page.has_more and left <= 0:
                    raise AnswerError(
                        f"Insights has more than {_MOST_ITEMS:,} test results to look through"
                    )


def _called(teams: Sequence[str]) -> str:
    """Name the teams, for a message."""
    return f"team {teams[0]}" if len(teams) == 1 else f"the teams {', '.join(teams)}"


def _names(values: Iterable[object]) -> tuple[Owner, ...]:
    """The user names. AnswerError when one cannot be a user's: whose jobs are these?"""
    try:
        return tuple(owner_name(value) for value in values)
    except ValueError as error:
        raise AnswerError(f"Insights names an owner that cannot be one: {error}") from None


@dataclass(slots=True)
class _Search:
    """Who was found so far, and what was answered badly on the way."""

    owners: set[Owner] = field(default_factory=set)
    gaps: list[str] = field(default_factory=list)

    def take(self, pages: Iterator[tuple[Owner, ...]]) -> SourceError | None:
        """Take in all pages; the refusal, if that is what came. What broke off on the way is a
        gap.
        """
        try:
            for page in pages:
                self.owners.update(page)
        except (ForbiddenError, NotOfferedError) as refused:
            return refused
        except (AnswerError, SourceUnavailableError) as broken:
            self.gaps.append(str(broken))
        return None

    def found(self, how: str) -> Organization:
        return Organization(tuple(sorted(self.owners)), how, tuple(self.gaps))

    def concluded(
        self, users: SourceError | None, services: SourceError | None, others: SourceError | None
    ) -> Organization:
        """What all answers together make. SourceError when they name nobody."""
        refusals = [str(each) for each in (users, services, others) if each is not None]
        if not self.owners:
            words = (
                "; ".join(dict.fromkeys([*refusals, *self.gaps][:_FEW]))
                or "no answer names anybody"
            )
            remedy = (
                "list their names under `users`, or use the credentials of an organization admin"
            )
            kind = ForbiddenError if refusals and not self.gaps else SourceError
            raise kind(
                f"who is in the organization cannot be had: {words}. Nothing was listed; {remedy}"
            )
        days = SEEN_BACK_S // _DAY_S
        by_insights = f"by Insights, which knows who ran tests in the last {days} days"
        if others is None:
            how = by_insights if users is not None else f"by team management and {by_insights}"
        else:
            how = "by team management"
            self.gaps.append("; ".join(refusals))
        return self.found(how)
