"""One job as the console shows it: from the inventory, the journal, the holds and the rules."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from sauce_janitor import report
from sauce_janitor.archive import MirroredHold
from sauce_janitor.config import Account
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.job_explanation import Explained, explained
from sauce_janitor.console.journal import shown_lines
from sauce_janitor.errors import ArchiveError, RefusedError
from sauce_janitor.model.jobs import UNKNOWN, Action, AssetsStanding, Job, JobId, Record
from sauce_janitor.operations.holds import open_holding
from sauce_janitor.retention.what_if.explain import Explanation, PolicyView
from sauce_janitor.retention.what_if.keep_forecast import KeepView
from sauce_janitor.state import JournalLine
from sauce_janitor.web.job_page import (
    JobHead,
    KnownJob,
    ShownExplanation,
    ShownKeep,
    ShownOutlook,
    ShownPolicy,
)
from sauce_janitor.web.journal_page import ShownLine

_WAIT_S: Final = 5.0
_BUSY: Final = "other jobs are being explained: try again in a moment"
_DONE: Final = frozenset({"confirmed", "already_gone"})
_MOST_MISSING: Final = 10
_LOOKED_BACK: Final = 20
_ASSETS: Final = {
    AssetsStanding.PRESENT: "at Sauce Labs",
    AssetsStanding.DELETED: "deleted by sauce-janitor",
    AssetsStanding.PURGED: "purged by Sauce Labs",
}


class JobRecords:
    """Jobs as the page reads them (see `web.job_page`)."""

    def __init__(self, access: ConsoleAccess) -> None:
        self._access = access
        # Explaining reads every job of an account: one at a time leaves room for other pages. Each
        # one that waits occupies a request of the server, so only one more may.
        self._explaining = threading.Lock()
        self._turns = threading.BoundedSemaphore(2)

    def job(self, account: str, job_id: JobId, /) -> KnownJob | None:
        found, state = self._access.account(account), self._access.state
        if found is None:
            return None
        now = int(time.time())
        record = state.jobs.record(account, job_id, as_of=now)
        lines = state.journal.of(job_id, account)
        if record is None and not lines:
            return None
        if record is None:
            head = JobHead(account, job_id, lines[0].owner)
            said, history = (_deleted(lines),), self._history(lines)
            return KnownJob(
                head, is_listed=False, facts=(), remarks=said, history=history, others=0
            )
        return KnownJob(
            _head(account, record.job),
            is_listed=True,
            facts=tuple(_facts(record, now)),
            remarks=tuple(self._remarks(found, record, now)),
            history=self._history(lines),
            others=self._known(account),
        )

    def explanation(self, account: str, job_id: JobId, /) -> ShownExplanation | None:
        found = self._access.account(account)
        if found is None:
            return None
        if not self._turns.acquire(blocking=False):
            raise RefusedError(_BUSY)
        try:
            made = self._explained(found, job_id)
        finally:
            self._turns.release()
        if made is None or made.explanation is None:
            return None
        return _shown(made, made.explanation)

    def _explained(self, account: Account, job_id: JobId) -> Explained | None:
        if not self._explaining.acquire(timeout=_WAIT_S):
            raise RefusedError(_BUSY)
        try:
            return explained(self._access.config, self._access.state, account, job_id)
        finally:
            self._explaining.release()

    def _known(self, account: str) -> int:
        """Return how many jobs the account had in its last plan; counting them takes longer."""
        runs = self._access.state.runs.last(account, limit=_LOOKED_BACK)
        known = (run.summary["plan"]["jobs"] for run in runs if "plan" in run.summary)
        return next(known, 0) or self._access.state.jobs.count(account)

    def _history(self, lines: tuple[JournalLine, ...]) -> tuple[ShownLine, ...]:
        return tuple(shown_lines(self._access.state, lines))

    def _remarks(self, account: Account, record: Record, now: int) -> Iterator[str]:
        state, job_id = self._access.state, record.job.id
        for hold in self._holds(account, job_id, now):
            end = "until it is released"
            if hold.until is not None:
                end = f"until {report.when(hold.until)}"
            yield f"Held by {hold.by} since {report.when(hold.at)}, {end}: {hold.reason}"
        retry = state.retries.one(account.name, job_id)
        if retry is not None:
            yield report.retry_sentence(retry, now=now)
        for file in record.missing[:_MOST_MISSING]:
            since = report.when(file.since)
            yield f"Could not be downloaded since {since}: {file.name}: {file.why}"
        if len(record.missing) > _MOST_MISSING:
            yield f"And {len(record.missing) - _MOST_MISSING:,} more files."

    def _holds(self, account: Account, job_id: JobId, now: int) -> list[MirroredHold]:
        state, archive = self._access.state, self._access.config.archive
        with ExitStack() as stack:
            try:
                known = open_holding(archive, account.name, state, stack=stack).known(at=now)
            # The archive's copies of the holds cannot be read: those of the state are shown.
            except ArchiveError:
                placed = state.holds.list(account.name, at=now)
                return [
                    MirroredHold(each.job_id, each.by, each.reason, each.at, each.until)
                    for each in placed
                    if each.job_id == job_id
                ]
            return [each.hold for each in known if each.hold.job_id == job_id]


def _head(account: str, job: Job) -> JobHead:
    def text(value: object) -> str | None:
        return value if isinstance(value, str) else None

    def seconds(value: object) -> int | None:
        return value if isinstance(value, int) else None

    started, ended = seconds(job.started_at), seconds(job.ended_at)
    took = None if started is None or ended is None else max(0, ended - started)
    return JobHead(
        account=account,
        job_id=job.id,
        owner=job.owner,
        name=text(job.name),
        status=text(job.status),
        error=text(job.error),
        build=text(job.build),
        os=text(job.os),
        browser=text(job.browser),
        ended_at=ended,
        duration_s=took,
    )


def _facts(record: Record, now: int) -> Iterator[tuple[str, str]]:
    job = record.job
    yield "State", job.state.value
    if isinstance(job.ended_at, int):
        yield "Ended", f"{report.span(max(0, now - job.ended_at))} ago"
    yield "Assets", _ASSETS[record.assets]
    archived = " and ".join(sorted(record.archived)) if record.archived else "nothing yet"
    yield "Archived", archived
    if isinstance(record.build_status, str):
        yield "Build", record.build_status
    tags = "unknown" if job.tags is UNKNOWN else ", ".join(job.tags) or "none"
    yield "Tags", tags


def _deleted(lines: tuple[JournalLine, ...]) -> str:
    for line in reversed(lines):
        if line.action is Action.DELETE_JOB and line.outcome in _DONE:
            how = "Deleted" if line.outcome == "confirmed" else "Already gone before the delete"
            return f"{how}, {report.when(line.at)}, by policy {line.policy}."
    return "No longer in the inventory, and not deleted by sauce-janitor."


def _shown(made: Explained, explanation: Explanation) -> ShownExplanation:
    follower = report.follower(explanation)
    outlooks = []
    for outlook in explanation.outlooks:
        if report.is_idle(outlook):
            continue
        words = report.outlook_time(outlook), "; ".join(report.outlook_reasons(outlook))
        if outlook is follower:
            words = "with the job", "no policy deletes the assets alone"
        outlooks.append(ShownOutlook(report.ACTIONS[outlook.decision.action], *words))
    views = sorted(explanation.policies, key=lambda view: not view.speaks)
    return ShownExplanation(
        tuple(outlooks),
        tuple(_waits(made, explanation)),
        tuple(_policy(view) for view in views if view.matches is not False),
        tuple(view.policy for view in views if view.matches is False),
        tuple(explanation.saves),
    )


def _waits(made: Explained, explanation: Explanation) -> Iterator[str]:
    # A keep rule may stop keeping the job only because newer jobs arrive.
    if explanation.goes_at is None and explanation.expected_at is not None:
        at = report.when(explanation.expected_at)
        yield f"Stays for now; the first delete is due about {at}, at the present rate of new jobs."
    if made.waits_until is not None:
        yield (
            "Sauce Labs lists no assets of it, as it does when its lists fail: it may be deleted if"
            f" that is still so after {report.when(made.waits_until)}."
        )


def _policy(view: PolicyView) -> ShownPolicy:
    # For a default that steps back everywhere, its first line says so already.
    spoken = [rule for rule in view.rule_views if rule.standing != "steps_back" or view.speaks]
    rules = tuple(
        ShownOutlook(report.ACTIONS[rule.action], report.rule_time(rule), report.rule_text(rule))
        for rule in spoken
    )
    return ShownPolicy(
        name=view.policy,
        standing=report.precedence_text(view),
        decides=view.speaks,
        rules=rules,
        group=None if view.group is None else report.group_text(view),
        place=_place(view.rank, view.of),
        keeps=tuple(_keep(keep) for keep in view.keeps),
    )


def _keep(keep: KeepView) -> ShownKeep:
    return ShownKeep(keep.rule, report.keep_text(keep), keep.keeps, _place(keep.rank, keep.of))


def _place(rank: int | None, of: int) -> float | None:
    """Return the middle of the rank's share of a line from 0 to 100."""
    return None if not rank or not of else round(100 * (rank - 0.5) / of, 2)
