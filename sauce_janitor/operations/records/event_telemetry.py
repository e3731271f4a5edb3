"""Log lines and metrics for the events of a plan that is being carried out."""

from __future__ import annotations

from typing import Any

import structlog

from sauce_janitor.execute import events
from sauce_janitor.execute.outcomes import Outcome
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.jobs import HOLD, Action
from sauce_janitor.operations.records.repeats import RepeatedEvents

_MOST_NAMED = 20


class EventTelemetry:
    """Writes the log and the metrics of execution events. Any thread may call it."""

    def __init__(self, account: str, run_id: str, metrics: Metrics) -> None:
        self.account = account
        self._metrics = metrics
        self.run_id = run_id
        self.log: Any = structlog.get_logger().bind(account=account, run_id=run_id)
        self._repeats = RepeatedEvents()
        self._halts: set[events.Halted] = set()

    def event(self, event: events.Event) -> None:
        """Log and count one event of a plan that is being carried out."""
        if isinstance(event, events.Halted):
            self._halted(event)
            return
        about = self.log.bind(job_id=event.job_id, owner=event.owner, policy=event.policy or HOLD)
        match event:
            case events.JobArchived() | events.JobIncomplete():
                self._archived(about, event)
            case events.AssetsDeleted():
                self._count(event.policy, Action.DELETE_ASSETS, Outcome.DONE)
                self._metrics.add("reclaimed_bytes", event.size_bytes or 0, account=self.account)
                about.info(
                    "job.assets_deleted", size_bytes=event.size_bytes, unlisted=list(event.unlisted)
                )
                self._differing(about, event)
            case events.AssetsPurged():
                self._purged(about, event)
            case events.CopyDamaged() | events.CopyRestored():
                self._copy(about, event)
            case events.JobDeleted():
                self._count(event.policy, Action.DELETE_JOB, Outcome.DONE)
                about.info("job.deleted", confirmed=event.confirmed)
            case events.JobStopped():
                self._count(event.policy, Action.STOP, Outcome.DONE)
                about.info("job.stopped")
            case events.AlreadyGone():
                self._count(event.policy, event.action, Outcome.ALREADY_GONE)
                about.info("job.already_gone", action=event.action.value, detail=event.detail)
            case events.ActionSkipped():
                self._count(event.policy, event.action, Outcome.SKIPPED)
                about.info(
                    "job.skipped",
                    action=event.action.value,
                    why=event.why.value,
                    detail=event.detail,
                )
            case ActionFailed():
                self._count(event.policy, event.action, Outcome.FAILED)
                kind = {
                    "action": event.action.value,
                    "failure": event.kind.value if event.kind else "untried",
                }
                self._repeats.error(
                    about,
                    "job.failed",
                    example=event.job_id,
                    kind=kind,
                    action=event.action.value,
                    detail=event.detail,
                )

    def conclude(self) -> None:
        """Log how often the events occurred that were not logged each time. Call it when the run
        ends, however it ends.
        """
        self._repeats.conclude(self.log)

    def _halted(self, event: events.Halted) -> None:
        # Each credential's part of a plan ends by itself, mostly for one reason.
        if event not in self._halts:
            self._halts.add(event)
            # No warning for a stop: whoever stops a run knows it, and the last lines of the run say
            # how far it came.
            tell = self.log.info if event.why is events.Halt.STOPPED else self.log.warning
            tell("run.halted", why=event.why.value, detail=event.detail)

    def _archived(self, about: Any, event: events.JobArchived | events.JobIncomplete) -> None:
        self._metrics.add("archived_bytes", event.size_bytes, account=self.account)
        stored: dict[str, Any] = {
            "assets": event.assets,
            "size_bytes": event.size_bytes,
            "receipt": event.receipt,
        }
        if isinstance(event, events.JobArchived):
            self._count(event.policy, Action.ARCHIVE, Outcome.DONE)
            about.info("job.archived", **stored)
            for name, why in event.given_up:
                self._repeats.warning(
                    about, "asset.given_up", example=event.job_id, asset=name, detail=why
                )
        else:
            missing = dict(event.missing[:_MOST_NAMED])
            self._repeats.warning(
                about,
                "job.incomplete",
                example=event.job_id,
                **stored,
                missing=missing,
                missing_files=len(event.missing),
            )
        for name, why in event.odd:
            self._metrics.add("odd_files", account=self.account)
            self._repeats.warning(about, "asset.odd", example=event.job_id, asset=name, detail=why)

    def _differing(self, about: Any, event: events.AssetsDeleted) -> None:
        for name, archived, deleted in event.differing:
            self._repeats.warning(
                about,
                "asset.sizes_differ",
                example=event.job_id,
                asset=name,
                archived_bytes=archived,
                deleted_bytes=deleted,
            )

    def _purged(self, about: Any, event: events.AssetsPurged) -> None:
        if event.lost:
            detail = "purged by Sauce Labs before all that is wanted was archived"
            self._repeats.warning(about, "job.assets_lost", example=event.job_id, detail=detail)
        else:
            about.info("job.assets_purged")

    def _copy(self, about: Any, event: events.CopyDamaged | events.CopyRestored) -> None:
        match event:
            case events.CopyDamaged():
                self._metrics.add("damaged_copies", account=self.account)
                self._repeats.error(
                    about, "job.copy_damaged", example=event.job_id, files=list(event.files)
                )
            case events.CopyRestored():
                self._metrics.add("restored_copies", account=self.account)
                self._repeats.warning(
                    about,
                    "job.copy_restored",
                    example=event.job_id,
                    assets=event.assets,
                    size_bytes=event.size_bytes,
                    receipt=event.receipt,
                )

    def _count(self, policy: str, action: Action, outcome: Outcome) -> None:
        self._metrics.add(
            "actions",
            account=self.account,
            policy=policy or HOLD,
            action=action.value,
            outcome=outcome.value,
        )
