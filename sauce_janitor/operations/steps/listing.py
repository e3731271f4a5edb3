"""Brings the inventory up to date, owner by owner. An owner who cannot be listed is left out and
stops nobody else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from sauce_janitor import inventory
from sauce_janitor.counts import counted
from sauce_janitor.errors import ConfigError, JanitorError, SourceError
from sauce_janitor.inventory import SyncReport, SyncRequest
from sauce_janitor.model.jobs import Action, Owner, is_same_user
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.wiring.clients import Clients
from sauce_janitor.operations.wiring.owners import LeftOut, Owners
from sauce_janitor.operations.wiring.progress import Progress
from sauce_janitor.operations.wiring.run_settings import LATER
from sauce_janitor.retention.plan.planner import JobPlan, Plan
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.state import Jobs


@dataclass(frozen=True, slots=True)
class ListingResult:
    """The listings, the owners left out, and the owners whose names Sauce Labs writes in a
    different case.
    """

    listings: tuple[SyncReport, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    spellings: Mapping[Owner, Owner] = field(default_factory=dict)

    @property
    def owners(self) -> tuple[Owner, ...]:
        """The owners whose jobs are listed completely."""
        return tuple(report.owner for report in self.listings)

    @property
    def unconfirmed(self) -> frozenset[Owner]:
        """The owners whose first listing was empty or incomplete: a later one must agree before
        anything is deleted.
        """
        return frozenset(report.owner for report in self.listings if not report.confirmed)


@dataclass(slots=True)
class OwnersListing:
    """Lists the jobs of one account's owners."""

    account: str
    jobs: Jobs
    clients: Clients
    telemetry: Telemetry
    progress: Progress
    _troubles: list[JanitorError] = field(default_factory=list)
    _spellings: dict[Owner, Owner] = field(default_factory=dict)

    def list_all(self, scope: Owners, request: SyncRequest) -> ListingResult:
        """List the jobs of every owner. Leaving an owner out deletes nothing more: their jobs count
        in no rule.

        Raise errors that concern the whole account; when nobody can be listed, raise the first
        owner's error.
        """
        reports: list[SyncReport] = []
        left_out: list[LeftOut] = []
        for owner in scope.owners:
            if any(is_same_user(owner, report.owner) for report in reports):
                # The same user, named twice in a different case.
                continue
            if owner not in scope.named and self._is_quiet(owner, request):
                reports.append(SyncReport(owner, full=False))
                continue
            try:
                report = self._list(owner, request)
            except (SourceError, ConfigError) as error:
                # An error about the account's credentials or budget concerns every owner.
                if not self.clients.is_about(owner, error):
                    raise
                self._troubles.append(error)
                left_out.append(self._leave_out(owner, error, departed=owner in scope.departed))
            else:
                reports.append(report)
        left_out += self._gone(scope)
        if not reports and self._troubles:
            raise self._troubles[0]
        return ListingResult(tuple(reports), tuple(left_out), dict(self._spellings))

    def _gone(self, scope: Owners) -> Iterator[LeftOut]:
        """Yield the users who have left the teams and have jobs here: those stay at Sauce Labs and
        count in no rule.
        """
        for owner in sorted(scope.gone):
            if jobs := self.jobs.of(self.account, owner).count():
                left = LeftOut(
                    owner, "no policy here covers them now", jobs, departed=True, of=scope.group
                )
                self.telemetry.left_out(owner, why=str(left), jobs=jobs, departed=True)
                yield left

    def _is_quiet(self, owner: Owner, request: SyncRequest) -> bool:
        """Return whether a member of the organization had no job at a recent full listing: most
        members never run one.

        Asking about each of them in every run would cost one request each, from a budget that the
        tests share.
        """
        store = self.jobs.of(self.account, owner)
        listed = store.listed()
        if (
            request.deep
            or listed.full_at is None
            or listed.watermark is None
            or listed.bookmark is not None
        ):
            return False
        return 0 <= request.now - listed.full_at <= request.full_every_s and store.count() == 0

    def _list(self, owner: Owner, request: SyncRequest) -> SyncReport:
        reader = self.clients.of(owner).reader
        try:
            report = self._sync(owner, reader, request)
        except inventory.SpellingError as other:
            # Nothing is stored under the name that was asked for. The jobs are stored under Sauce
            # Labs' spelling, so that addresses, permits and folders use it, and one user is one
            # owner.
            self.jobs.of(self.account, owner).forget()
            self._spellings[owner] = other.spelling
            self.telemetry.spelled(owner, other.spelling)
            owner = other.spelling
            report = self._sync(owner, reader, request)
        self.telemetry.listed(
            owner, rows=report.rows, known=report.known, full=report.full, gone=report.gone
        )
        self.telemetry.set_aside(owner, report.asides, count=report.aside_count)
        if not report.confirmed:
            self.telemetry.unconfirmed(owner, rows=report.rows)
        return report

    def _sync(self, owner: Owner, reader: SauceReader, request: SyncRequest) -> SyncReport:
        store = self.jobs.of(self.account, owner)
        return inventory.sync(owner, reader, store, request, step=self.progress.step)

    def _leave_out(self, owner: Owner, error: JanitorError, *, departed: bool) -> LeftOut:
        left = LeftOut(owner, str(error), self.jobs.of(self.account, owner).count(), departed)
        self.telemetry.left_out(owner, why=left.why, jobs=left.jobs, departed=departed)
        return left


def overlooked(jobs: Jobs, account: str, planned: Iterable[Owner]) -> frozenset[Owner]:
    """Return the owners whose jobs are known but were not part of a plan for these owners."""
    return frozenset(jobs.owners(account)).difference(planned)


def doubts(listings: Iterable[SyncReport], withheld: int) -> Iterator[str]:
    """Yield, as one sentence each, what could not be read of the lists, and what must be
    confirmed.
    """
    for report in listings:
        if report.aside_count:
            rows = counted(report.aside_count, "row")
            first = f", the first: {report.asides[0]}" if report.asides else ""
            yield (
                f"Set aside: {rows} of the job list of {report.owner} cannot be read{first}. The"
                " next run asks again"
            )
        if not report.confirmed:
            problem = "could not all be read" if report.rows else "is empty"
            yield (
                f"The first listing of {report.owner} {problem}: it counts when a run finds the"
                f" same {LATER}"
            )
    if withheld:
        are, stay = ("is", "stays") if withheld == 1 else ("are", "stay")
        yield (
            f"{counted(withheld, 'job')} {are} due and {stay} until that first listing is confirmed"
        )


def withhold(plan: Plan, unconfirmed: Collection[Owner]) -> int:
    """Remove the deletes and stops of these owners' jobs from the plan, and keep the archiving.
    Return the number of jobs.

    Their first listing may be wrong. A later one confirms or corrects it.
    """
    withheld = 0

    def without(job: JobPlan) -> JobPlan | None:
        nonlocal withheld
        if job.owner not in unconfirmed:
            return job
        left = tuple(decision for decision in job.actions if decision.action is Action.ARCHIVE)
        withheld += len(left) < len(job.actions)
        return replace(job, actions=left) if left else None

    if unconfirmed:
        plan.narrow(without)
    return withheld
