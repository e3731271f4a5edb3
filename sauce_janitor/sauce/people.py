"""Finds the owners of an organization's or a team's jobs.

They are the users and service accounts of team management, or else those who ran tests by Insights.
Source: Accounts API Methods, Lookup Users; service accounts are from the vendor's MCP server.
`username` there is a prefix match and never used as an exact one. Service accounts own jobs too,
but are no users, and may not ask for either.
"""

from __future__ import annotations

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
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.sauce.http.request_events import Endpoint
from sauce_janitor.sauce.http.transport import HttpRequest, Transport
from sauce_janitor.sauce.insights import Filter, Insights, Period
from sauce_janitor.sauce.people_pages import PeoplePage, parse_people
from sauce_janitor.sauce.teams import Team, parse_teams, the_team

SEEN_BACK_S: Final = 30 * DAY_S
"""How far back Insights is asked who ran tests."""
# Source: Lookup Users, limit: at most 100.
_PEOPLE_A_PAGE: Final = 100
_MOST_PAGES: Final = 1_000
_MOST_ITEMS: Final = 5_000
_REMEDY: Final = "list their names under `users`, or use the credentials of an organization"
_FEW: Final = 3
_ORGANIZATION: Final = Filter(scope="organization", newest_first=False)


@dataclass(frozen=True, slots=True)
class Organization:
    """The owners of an organization's jobs, sorted, and `how` they were found, as text.

    `gaps` say why there may be more owners than were found. Without any, everything was answered
    completely.
    """

    owners: tuple[Owner, ...]
    how: str
    gaps: tuple[str, ...] = ()


class People:
    """Asks who is in an account's organization. Raises what `SauceReader` raises."""

    def __init__(self, transport: Transport, insights: Insights) -> None:
        self._transport = transport
        self._insights = insights
        self._ids: dict[Owner, str | None] = {}
        self._team_of: dict[Owner, str] = {}

    def user_id(self, owner: Owner) -> str | None:
        """Return the user's id, as builds have it; None where it is not known.

        Raises SourceError only for what ends the account's run.
        """
        if owner not in self._ids:
            self._ids[owner] = None
            with suppress(ForbiddenError, AnswerError):
                # The server takes this for a prefix, so several users may come.
                query = f"username={quote(owner, safe='')}&limit={_PEOPLE_A_PAGE}&offset=0"
                found = self._page("users", query, f"user {owner}")
                self._ids[owner] = found.ids.get(owner)
        return self._ids[owner]

    def organization(self, *, now: int) -> Organization:
        """Return all owners that can be found. `now` is epoch seconds UTC.

        Raises ForbiddenError when neither team management nor Insights may be asked, SourceError
        when neither answers. CredentialsError, BudgetSpentError and StoppedError end it at once.
        """
        search = _Search()
        users = search.take(self._listed("users", (), "the organization's users"))
        # Inactive users still own jobs.
        users = users or search.take(
            self._listed("users", (("status", "inactive"),), "the organization's inactive users")
        )
        services = search.take(
            self._listed("service-accounts", (), "the organization's service accounts")
        )
        # Not every plan has service accounts.
        if isinstance(services, NotOfferedError):
            services = None
        # Team management answered completely, so Insights cannot add anything.
        if users is None and services is None and search.owners and not search.gaps:
            return search.found("by team management")
        others = search.take(self._who_ran_tests(now))
        return search.concluded(users, services, others)

    def teams(self, wanted: Sequence[str]) -> Organization:
        """Return all owners in the teams of these names or ids: their members and service accounts.

        Raises ConfigError for a team that does not exist, or one of several with one name;
        SourceError when team management does not answer, when it breaks off, or when nobody is in
        the teams: Insights does not know teams. Raises ForbiddenError, CredentialsError,
        BudgetSpentError and StoppedError as `organization` does.
        """
        try:
            there = self._every_team()
            found = [the_team(each, there) for each in wanted]
            members: set[Owner] = set()
            for team in found:
                resource = f"teams/{team.id}/members"
                members.update(*self._listed(resource, (), f"the members of team {team.name}"))
        except (ForbiddenError, NotOfferedError, AnswerError) as error:
            raise type(error)(
                f"the members of {_called(wanted)} cannot be listed: {error}. Nothing was listed; "
                f"{_REMEDY} or team admin"
            ) from error
        ids = {team.id for team in found}
        gaps: tuple[str, ...] = ()
        try:
            # The whole list is read before any of it counts: it may break off.
            services: set[Owner] = set()
            services.update(*self._listed("service-accounts", (), "the service accounts"))
            members.update(name for name in services if self._team_of.get(name) in ids)
        # Not every plan has service accounts.
        except NotOfferedError:
            pass
        except (ForbiddenError, AnswerError, SourceUnavailableError) as error:
            gaps = (str(error),)
        if not members:
            raise SourceError(f"nobody is in {_called(wanted)}: nothing was listed")
        return Organization(tuple(sorted(members)), "by team management", gaps)

    def _every_team(self) -> tuple[Team, ...]:
        rows: list[object] = []
        what = "the organization's teams"
        for _ in range(_MOST_PAGES):
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
                        f"the answer lists {len(rows):,} of {what}, and says that there are "
                        f"{count:,}"
                    )
                return parse_teams(rows)
        raise AnswerError("the list of the organization's teams does not end")

    def _listed(
        self, resource: str, query: tuple[tuple[str, str], ...], what: str
    ) -> Iterator[tuple[Owner, ...]]:
        """Yield the names, page by page. Raises AnswerError when the list is clearly not
        complete.
        """
        seen: set[Owner] = set()
        rows, rejected, example = 0, 0, ""
        for _ in range(_MOST_PAGES):
            parameters = (*query, ("limit", _PEOPLE_A_PAGE), ("offset", rows))
            text = "&".join(f"{key}={value}" for key, value in parameters)
            page = self._page(resource, text, what)
            self._ids.update(page.ids)
            self._team_of.update(page.teams)
            yield page.names
            new = len(seen)
            seen.update(page.names)
            rows += page.rows
            rejected += len(page.rejected)
            example = example or "".join(page.rejected[:1])
            known = len(seen) + rejected
            is_whole = page.count is None or known >= page.count
            may_end = page.has_more is False or (page.has_more is None and page.count is not None)
            if page.rows == 0 or (is_whole and may_end):
                if rejected:
                    raise AnswerError(f"{rejected} of {what} cannot be read ({example})")
                if not is_whole:
                    raise AnswerError(
                        f"the answer lists {known:,} of {what}, and says that there are "
                        f"{page.count:,}"
                    )
                return
            # A page without anything new: the server ignores the offset.
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
        """Yield who ran tests recently, by the trend of each day.

        Where the counts of a day do not add up, its test results are read.
        """
        period = Period(now - SEEN_BACK_S, now)
        trends = self._insights.trends(period, _ORGANIZATION, interval="1d")
        yield _names([name for name, _ in trends.totals.get("owner", ())])
        doubtful = [period] if trends.rejected else []
        for bucket in trends.buckets:
            named = bucket["by"].get("owner", ())
            yield _names([name for name, _ in named])
            # An owner is missing in the counts of this day: read its test results.
            if bucket["count"] != sum(count for _, count in named):
                at = bucket["at"]
                doubtful.append(Period(at, min(at + DAY_S, now)) if isinstance(at, int) else period)
        left = _MOST_ITEMS
        for each in dict.fromkeys(doubtful):
            for page in self._insights.tests(each, _ORGANIZATION, most=left):
                yield _names([item["owner"] for item in page.items])
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
    """Return the names of the teams, for a message."""
    return f"team {teams[0]}" if len(teams) == 1 else f"the teams {', '.join(teams)}"


def _names(values: Iterable[object]) -> tuple[Owner, ...]:
    """Return the user names. Raises AnswerError when one cannot be a user's."""
    try:
        return tuple(owner_name(value) for value in values)
    except ValueError as error:
        raise AnswerError(f"Insights names an owner that cannot be one: {error}") from None


@dataclass(slots=True)
class _Search:
    """Who was found so far, and which answers were not complete."""

    owners: set[Owner] = field(default_factory=set)
    gaps: list[str] = field(default_factory=list)

    def take(self, pages: Iterator[tuple[Owner, ...]]) -> SourceError | None:
        """Add the owners of all pages; return the refusal, if there was one.

        An answer that broke off becomes a gap.
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
        """Return the result of all answers together. Raises SourceError when they name nobody."""
        refusals = [str(each) for each in (users, services, others) if each is not None]
        if not self.owners:
            reasons = dict.fromkeys([*refusals, *self.gaps][:_FEW])
            why = "; ".join(reasons) or "no answer names anybody"
            kind = ForbiddenError if refusals and not self.gaps else SourceError
            raise kind(
                f"the members of the organization cannot be listed: {why}. Nothing was listed; "
                f"{_REMEDY} admin"
            )
        days = SEEN_BACK_S // DAY_S
        by_insights = f"by Insights, which knows who ran tests in the last {days} days"
        if others is None:
            how = by_insights if users is not None else f"by team management and {by_insights}"
        else:
            how = "by team management"
            self.gaps.append("; ".join(refusals))
        return self.found(how)
