"""The reading client of one account: lists, details, assets and builds. It cannot change
anything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeAlias

from sauce_janitor.errors import AnswerError, SourceUnavailableError, StrainedError
from sauce_janitor.model.job_lists import JobPage
from sauce_janitor.model.jobs import AssetListing, Build, JobDocument, JobId, Owner, is_same_user
from sauce_janitor.sauce.asset_download import AssetBody, open_asset
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.build_rows import ForeignBuildError, parse_build, parse_builds
from sauce_janitor.sauce.builds import BUILDS_A_PAGE, BuildRecords, each_build
from sauce_janitor.sauce.http import paths
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.request_events import Endpoint, OnRequest
from sauce_janitor.sauce.http.transport import FoundJson, HttpRequest, Transport
from sauce_janitor.sauce.insights import Insights
from sauce_janitor.sauce.list_rows import load_rows
from sauce_janitor.sauce.parse import parse_assets, parse_batch, parse_details, parse_rows
from sauce_janitor.sauce.people import People

# Source: OpenAPI document of the Jobs API: limit is at most 500.
MOST_ROWS: Final = 500
_IDS_A_REQUEST: Final = 100

_BuildPage: TypeAlias = Callable[[int], tuple[Build, ...] | None]


class SauceReader:
    """Reads one account over GET only. For any number of threads; a context manager, or `close()`
    it.

    Every method raises SourceError: CredentialsError (401), ForbiddenError (403), NotReadyError
    (400 on assets), AnswerError (an answer that cannot be trusted), SourceUnavailableError (no
    answer after all retries, or a longer wait asked for than allowed), BudgetSpentError. It raises
    StoppedError once `stop` is set.
    """

    def __init__(
        self,
        connection: Connection,
        on_request: OnRequest | None = None,
        *,
        budget: RequestBudget | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        self.budget = budget if budget is not None else RequestBudget.of(connection, stop=stop)
        self._transport = Transport(connection, self.budget, on_request=on_request, stop=stop)
        self._batch_offered: bool | None = None
        self._strained_since: dict[Owner, float] = {}
        self.insights = Insights(self._transport)
        self.people = People(self._transport, self.insights)
        self.build_records = BuildRecords(self._transport, self.people)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    @property
    def clock_skew_s(self) -> float | None:
        """Return the vendor's clock minus ours, in seconds, by Date headers; None before the first
        answer.
        """
        return self._transport.clock_skew_s

    @property
    def requests_made(self) -> int:
        """Return the number of requests sent so far, including failed and repeated ones."""
        return self._transport.requests_made

    @property
    def budget_left(self) -> int | None:
        """Return the requests left in the budget's longest window; None without a limit."""
        return self.budget.left()

    @property
    def requests_here(self) -> int:
        """Return the requests that the calling thread took from the budget so far.

        Failed and repeated ones count too.
        """
        return self.budget.taken_here

    def reserved(self, requests: int) -> AbstractContextManager[float]:
        """Wait for the budget of so many requests; inside, this thread's next requests wait for
        nothing.

        The gate's requests are included.
        """
        return self.budget.reserved(requests)

    def list_jobs(
        self,
        owner: Owner,
        *,
        limit: int = MOST_ROWS,
        skip: int = 0,
        since: int | None = None,
        until: int | None = None,
    ) -> JobPage:
        """Return one page of the owner's jobs in full, newest first.

        `since` and `until` are epoch seconds UTC, both included. Source: Jobs API, Get Jobs (from,
        to); `full=true` is from the vendor's clients. Raises AnswerError for an unknown user;
        OversizedAnswerError and StrainedError where a smaller `limit` may be answered. A row that
        is no JSON becomes an odd row.
        """
        query: list[tuple[str, str | int]] = [("limit", limit), ("skip", skip), ("full", "true")]
        return parse_rows(self._list(owner, query, since, until).value, owner)

    def list_ids(
        self, owner: Owner, *, limit: int, skip: int, since: int | None, until: int | None
    ) -> tuple[str, ...]:
        """Return the ids of such a page, from short rows: "" where a row has none.

        Short rows fit where whole rows are too large.
        """
        query: list[tuple[str, str | int]] = [("limit", limit), ("skip", skip)]
        return parse_rows(self._list(owner, query, since, until).value, owner).ids

    def _list(
        self, owner: Owner, query: list[tuple[str, str | int]], since: int | None, until: int | None
    ) -> FoundJson:
        what = f"the job list of {owner}"
        query += [("from", since)] if since is not None else []
        query += [("to", until)] if until is not None else []
        divisible = query[0][1] != 1
        request = HttpRequest(
            "GET", paths.jobs_of(owner, query), "jobs", what, divisible=divisible, read=load_rows
        )
        try:
            found = self._transport.get_json(request)
        except StrainedError as error:
            # Stop asking for less after the total time-out. An outage looks the same, and must not
            # cost one time-out for each page size.
            began = self._strained_since.setdefault(owner, time.monotonic())
            if time.monotonic() - began > self._transport.connection.timeout_total_s:
                del self._strained_since[owner]
                raise SourceUnavailableError(str(error)) from error
            raise
        self._strained_since.pop(owner, None)
        if found is None:
            raise AnswerError(
                f"{self._transport.connection.host} knows no user {owner}, or not in this region "
                "(404)"
            )
        return found

    def job(self, owner: Owner, job: JobId) -> JobDocument | None:
        """Return one job's details; None for 404, or when they say that it is deleted.

        A 404 alone does not prove a deletion.
        """
        found = self._get(paths.job(owner, job), "job", f"job {job}")
        return None if found is None else parse_details(found.value, owner, job)

    def jobs(self, ids: Iterable[JobId]) -> dict[JobId, JobDocument] | None:
        """Return the details of several jobs at once, whoever owns them; absent ones are left out.

        None where the server does not offer that: ask one by one.
        """
        # It was refused before it ever worked: do not spend a request on it again.
        if self._batch_offered is False:
            return None
        wanted = list(dict.fromkeys(ids))
        documents: dict[JobId, JobDocument] = {}
        for start in range(0, len(wanted), _IDS_A_REQUEST):
            some = wanted[start : start + _IDS_A_REQUEST]
            found = self._get(
                paths.jobs_by_id(some),
                "jobs_by_id",
                f"the look-up of {len(some)} jobs",
                optional=True,
            )
            page = None if found is None else parse_batch(found.value, some)
            if page is None:
                # If the request has worked before, the 404 may be about these jobs only. Then the
                # next jobs are asked for together again.
                self._batch_offered = self._batch_offered or False
                return None
            self._batch_offered = True
            documents.update(page)
        return documents

    def assets(self, owner: Owner, job: JobId) -> AssetListing | None:
        """Return the names of a job's assets; None for 404: the job or its assets are gone, or
        never were.
        """
        found = self._get(paths.assets(owner, job), "assets", f"the asset list of job {job}")
        return None if found is None else parse_assets(found.value, job)

    def open_asset(self, owner: Owner, job: JobId, name: str) -> AbstractContextManager[AssetBody]:
        """Open one asset's bytes as a stream, see `AssetBody`.

        Raises AnswerError for 404: a listed file should exist.
        """
        return open_asset(self._transport, owner, job, name)

    def builds(self, owner: Owner) -> Iterator[Build] | None:
        """Return the owner's builds, each once, newest first: from v2, or else v1; None without
        either.

        v2 names no owner (`Build.owner` is None) and lists the builds of the user who asks, or of
        another user by id, where that id is known.
        """
        v2: _BuildPage | None = self._builds_v2_page
        # Without a user's id, v2 lists the builds of the user who asks.
        if not is_same_user(owner, self._transport.connection.username):
            user_id = self.people.user_id(owner)
            v2 = None if user_id is None else partial(self._builds_v2_page, user_id=user_id)
        if v2 is not None:
            # ForeignBuildError: the server does not know the filter and lists builds of others.
            # They must not be taken for this owner's, so the older API is asked.
            with suppress(ForeignBuildError):
                if (first := v2(0)) is not None:
                    return each_build(first, v2)
        v1 = partial(self._builds_v1_page, owner)
        first = v1(0)
        return None if first is None else each_build(first, v1)

    def build(self, build_id: str) -> Build | None:
        """Return one build; None when there is none, or builds v2 is not offered."""
        found = self._get(
            paths.build_v2(build_id), "build", f"build {build_id!a:.80}", optional=True
        )
        if found is None:
            return None
        build = parse_build(found.value)
        if build.id != build_id:
            raise AnswerError(
                f"asked for build {build_id!a:.80}, Sauce Labs answered with {build.id!a:.80}"
            )
        return build

    def _builds_v2_page(self, offset: int, user_id: str | None = None) -> tuple[Build, ...] | None:
        target = paths.builds_v2(limit=BUILDS_A_PAGE, offset=offset, user_id=user_id)
        found = self._get(target, "builds", "the list of builds", optional=True)
        return None if found is None else parse_builds(found.value, user_id=user_id)

    def _builds_v1_page(self, owner: Owner, skip: int) -> tuple[Build, ...] | None:
        target = paths.builds_v1(owner, limit=MOST_ROWS, skip=skip)
        found = self._get(target, "builds", f"the list of builds of {owner}", optional=True)
        return None if found is None else parse_builds(found.value, owner=owner)

    def _get(
        self, target: str, endpoint: Endpoint, what: str, *, optional: bool = False
    ) -> FoundJson | None:
        return self._transport.get_json(
            HttpRequest("GET", target, endpoint, what, optional=optional)
        )
