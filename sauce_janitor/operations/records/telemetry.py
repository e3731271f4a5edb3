"""Reports every event twice: as a log line and as a metric. Nothing else logs what a run does while
it runs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sauce_janitor.errors import RefusedError
from sauce_janitor.inventory import SetAside
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.job_retries import RetryGroup
from sauce_janitor.model.jobs import HOLD
from sauce_janitor.model.policies import ALL_LIMITS
from sauce_janitor.operations.records.event_telemetry import EventTelemetry
from sauce_janitor.operations.wiring.vanished import Vanished
from sauce_janitor.report import iso
from sauce_janitor.retention.plan.deadlines import overdue_counts
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.sauce.http.request_events import RequestEvent

_MANY = 0.01
"""A policy that leaves a larger share of the jobs undecided causes a warning."""


class Telemetry(EventTelemetry):
    """Writes the log and the metrics of one account's run. Any thread may call it."""

    def __init__(self, account: str, run_id: str, metrics: Metrics) -> None:
        super().__init__(account, run_id, metrics)
        self._overdue: dict[str, dict[str, int]] = {}

    def request(self, event: RequestEvent) -> None:
        """Count and log one request to Sauce Labs."""
        code = "none" if event.code is None else str(event.code)
        self._metrics.add(
            "api_requests",
            account=self.account,
            method=event.method,
            endpoint=event.endpoint,
            code=code,
        )
        if event.throttled_s:
            self._metrics.add("api_throttled_seconds", event.throttled_s, account=self.account)
        self.log.debug(
            "api.request",
            method=event.method,
            endpoint=event.endpoint,
            code=event.code,
            seconds=round(event.seconds, 3),
        )

    def budget_lost(self, sentence: str) -> None:
        """Log that the count of requests was lost; the budget counts as spent."""
        self.log.warning("budget.lost", detail=sentence)

    def server_changed(self, sentence: str) -> None:
        """Log that the state is on another server than before, which may lack lines."""
        self.log.warning("state.server_changed", detail=sentence)

    def plan_not_stored(self, sentence: str) -> None:
        """Log a warning: pages show the account's former plan."""
        self.log.warning("plan.not_stored", detail=sentence)

    def waiting(self, seconds: float, *, writes: int) -> None:
        """Log that the run waits because so many writes of earlier runs may still be under way."""
        self.log.info("recovery.waiting", seconds=round(seconds), writes=writes)

    def listed(self, owner: str, *, rows: int, known: int, full: bool, gone: int) -> None:
        """Log that the listing of one owner's jobs is complete."""
        self.log.info("inventory.listed", owner=owner, rows=rows, known=known, full=full, gone=gone)

    def vanished(self, found: Vanished) -> None:
        """Count what vanished at Sauce Labs without this program; log a warning above a few,
        because somebody else deletes.
        """
        for what, number in (("jobs", found.jobs), ("assets", found.assets)):
            if number:
                self._metrics.add("vanished", number, account=self.account, what=what)
        if found.are_many:
            self.log.warning(
                "account.others_delete", jobs=found.jobs, assets=found.assets, detail=found.words()
            )

    def set_aside(self, owner: str, asides: Sequence[SetAside], *, count: int) -> None:
        """Log the rows of an owner's list that could not be read, the first of `count`. The next
        run asks for them again.
        """
        for row in asides:
            self._repeats.warning(
                self.log,
                "inventory.row_set_aside",
                example=row.id or f"{owner} at {row.skip}",
                owner=owner,
                job_id=row.id or None,
                place=row.skip,
                why=row.why,
            )
        if count > len(asides):
            self._repeats.warning(
                self.log,
                "inventory.rows_set_aside",
                example=owner,
                owner=owner,
                rows=count,
                named=len(asides),
            )

    def all_set_aside(self, rows: int) -> None:
        """Set how many rows of all owners are set aside."""
        self._metrics.set("rows_set_aside", rows, account=self.account)

    def unconfirmed(self, owner: str, *, rows: int) -> None:
        """Log that an owner's first listing is empty or incomplete: nothing is deleted before a
        second one agrees.
        """
        self._repeats.warning(
            self.log, "inventory.unconfirmed", example=owner, owner=owner, rows=rows
        )

    def spelled(self, owner: str, spelling: str) -> None:
        """Log that Sauce Labs writes a user's name in a different case than the configuration. Its
        spelling is used.
        """
        self._repeats.warning(
            self.log, "owner.spelled", example=owner, owner=owner, spelling=spelling
        )

    def resolved(self, owners: Sequence[str], *, how: str, gaps: Sequence[str]) -> None:
        """Log whose jobs `organization` and teams mean now, and what may be missing."""
        self.log.info("owners.resolved", owners=list(owners), how=how)
        for gap in gaps:
            self.log.warning("owners.incomplete", detail=gap)

    def left_out(self, owner: str, *, why: str, jobs: int, departed: bool) -> None:
        """Log that an owner's jobs cannot be listed: what is known of them stays."""
        self._repeats.warning(
            self.log,
            "owner.left_out",
            example=owner,
            owner=owner,
            detail=why,
            jobs=jobs,
            departed=departed,
        )

    def listed_all(self, at: int) -> None:
        """Set the time of the last complete listing of all owners, in epoch seconds."""
        self._metrics.set("last_complete_listing_timestamp_seconds", at, account=self.account)

    def planned(self, plan: Plan) -> None:
        """Set the gauges of a new plan, and forget those of the last one."""
        metrics, account = self._metrics, self.account
        for name in ("planned_actions", "limit_broken"):
            metrics.forget(name, account)
        for (policy, action), number in plan.counts.items():
            metrics.set(
                "planned_actions",
                number,
                account=account,
                policy=policy or HOLD,
                action=action.value,
            )
        metrics.set("inventory_jobs", plan.inventory, account=account)
        metrics.set("held_jobs", plan.held, account=account)
        metrics.set("incomplete_jobs", plan.incomplete, account=account)
        metrics.set("undecided_jobs", sum(plan.undecided.values()), account=account)
        self.expiring(plan)
        for limit in ALL_LIMITS:
            is_broken = any(broken.limit == limit for broken in plan.broken)
            metrics.set("limit_broken", is_broken, account=account, limit=limit)
        for policy, jobs in sorted(_undecided_by_policy(plan).items()):
            if jobs > _MANY * plan.inventory:
                fields = sorted(field for by, field in plan.undecided if by == policy)
                self.log.warning(
                    "policy.undecided", policy=policy, jobs=jobs, of=plan.inventory, fields=fields
                )
        self.overdue(plan)
        counts = {action.value: number for action, number in plan.totals.items()}
        self.log.info("run.planned", jobs=plan.inventory, held=plan.held, **counts)

    def expiring(self, plan: Plan) -> None:
        """Set how many jobs' assets are purged soon and not archived: for the plan, and again after
        it was carried out.
        """
        for within, jobs in (("24h", plan.expiring_24h_jobs), ("72h", plan.expiring_72h_jobs)):
            self._metrics.set(
                "assets_expiring_unarchived", jobs, account=self.account, within=within
            )

    def retrying(self, groups: Sequence[RetryGroup]) -> None:
        """Set how many jobs failed and are retried, by kind of failure."""
        self._metrics.forget("retrying_jobs", self.account)
        for group in groups:
            self._metrics.set(
                "retrying_jobs", group.jobs, account=self.account, kind=group.kind.value
            )
        if groups:
            self.log.warning("jobs.retrying", **{group.kind.value: group.jobs for group in groups})

    def overdue(self, plan: Plan) -> None:
        """Set how many jobs are past each deadline, and what blocks them: for the plan, and again
        after it was carried out.
        """
        self._metrics.forget("overdue_jobs", self.account)
        for name, blocked in overdue_counts(plan.late).items():
            for blocker, jobs in blocked.items():
                self._metrics.set(
                    "overdue_jobs", jobs, account=self.account, deadline=name, blocked_by=blocker
                )
            # A repeated line would say the same as the plan's.
            if blocked and blocked != self._overdue.get(name):
                self._overdue[name] = dict(blocked)
                self.log.warning("deadline.missed", deadline=name, **blocked)

    def budget_spent(self, *, left: int, goes_on_at: int) -> None:
        """Log that the plan pauses with jobs left, and when requests are available again, in epoch
        seconds.
        """
        self.log.info("budget.spent", left=left, goes_on_at=iso(goes_on_at))

    def budget_left(self, remaining: Mapping[str, int]) -> None:
        """Set what is left of the request budget, by window."""
        for window, requests in remaining.items():
            self._metrics.set("api_budget_remaining", requests, account=self.account, window=window)

    def finished(self, *, mode: str, complete: bool, at: int) -> None:
        """Count and log the end of the run."""
        result = "done" if complete else "incomplete"
        self._metrics.add("runs", account=self.account, mode=mode, result=result)
        if complete:
            self._metrics.set("last_success_timestamp_seconds", at, account=self.account, mode=mode)
        self.log.info("run.finished", mode=mode, result=result)

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Measure how long a phase takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._metrics.took(self.account, phase, time.monotonic() - began)


@contextmanager
def counted(account: str, metrics: Metrics, *, mode: str) -> Iterator[None]:
    """Count a run that raises as refused or failed. A run that reaches its end counts itself."""
    try:
        yield
    except BaseException as error:  # counted, whatever it was, and raised again
        result = "refused" if isinstance(error, RefusedError) else "failed"
        metrics.add("runs", account=account, mode=mode, result=result)
        raise


def _undecided_by_policy(plan: Plan) -> dict[str, int]:
    """Return at least how many jobs each policy left undecided. A job may be undecided for several
    fields.
    """
    found: dict[str, int] = {}
    for (policy, _), jobs in plan.undecided.items():
        found[policy] = max(found.get(policy, 0), jobs)
    return found
