"""Bringing the inventory up to date, owner by owner: one who cannot be listed is left out, and stops nobody else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sauce_janitor import inventory
from sauce_janitor.errors import ConfigError, JanitorError, SourceError
from sauce_janitor.inventory import Demand, SyncReport
from sauce_janitor.pipeline.owning import LeftOut, Whose
from sauce_janitor.pipeline.reaching import Reach
from sauce_janitor.pipeline.telling import Teller
from sauce_janitor.pipeline.terms import Progress
from sauce_janitor.retention.model import Owner
from sauce_janitor.state import Jobs


@dataclass(frozen=True, slots=True)
class Survey:
    """What the listings brought, and who is left out."""

    listings: tuple[SyncReport, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def owners(self) -> tuple[Owner, ...]:
        """Whose jobs are listed whole."""
        return tuple(report.owner for report in self.listings)


@dataclass(slots=True)
class Surveyor:
    """Lists the jobs of one account's owners."""

    account: str
    jobs: Jobs
    reach: Reach
    tell: Teller
    progress: Progress
    _troubles: list[JanitorError] = field(default_factory=list)

    def survey(self, whose: Whose, demand: Demand) -> Survey:
        """List everybody's jobs. Leaving an owner out deletes nothing more: who is not listed counts in no rule.

        Raises what is about the whole account; and when nobody can be listed, what the first one met.
        """
        reports: list[SyncReport] = []
        left_out: list[LeftOut] = []
        for owner in whose.owners:
            if owner not in whose.named and self._is_quiet(owner, demand):
                reports.append(SyncReport(owner, full=False))
                continue
            try:
                report = self._list(owner, demand)
            except (SourceError, ConfigError) as error:
                if not self.reach.is_about(owner, error):
                    raise
                self._troubles.append(error)
                left_out.append(self._leave_out(owner, error, departed=owner in whose.departed))
            else:
                reports.append(report)
        if not reports and self._troubles:
            raise self._troubles[0]
        return Survey(tuple(reports), tuple(left_out))

    def _is_quiet(self, owner: Owner, demand: Demand) -> bool:
        """Whether a member of the organization had no job at a full listing that is still young: most never run one.

        To ask each of them in every run would take a request each of a budget that is shared with the tests.
        """
        store = self.jobs.of(self.account, owner)
        listed = store.listed()
        if demand.deep or listed.full_at is None or listed.watermark is None or listed.bookmark is not None:
            return False
        return 0 <= demand.now - listed.full_at <= demand.full_every_s and store.count() == 0

    def _list(self, owner: Owner, demand: Demand) -> SyncReport:
        reader = self.reach.of(owner).reader
        report = inventory.sync(owner, reader, self.jobs.of(self.account, owner), demand)
        self.tell.listed(owner, rows=report.rows, known=report.known, full=report.full, gone=report.gone)
        self.progress.step(report.rows)
        return report

    def _leave_out(self, owner: Owner, error: JanitorError, *, departed: bool) -> LeftOut:
        left = LeftOut(owner, str(error), self.jobs.of(self.account, owner).count(), departed)
        self.tell.left_out(owner, why=left.why, jobs=left.jobs, departed=departed)
        return left


def overlooked(jobs: Jobs, account: str, planned: Iterable[Owner]) -> frozenset[Owner]:
    """Whose jobs are known and were no part of a plan for these owners."""
    return frozenset(jobs.owners(account)).difference(planned)
