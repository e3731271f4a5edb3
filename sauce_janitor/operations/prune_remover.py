"""Removes from an account's archive what a plan says: looks at every job again, journals before and
after each, and finishes what an interrupted pruning began.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog

from sauce_janitor.archive import PruneDraft, Pruner, contents_of
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError, PermitError, RefusedError
from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.permits import PrunePermit
from sauce_janitor.operations.prune_decider import PruneDecider
from sauce_janitor.operations.records.repeats import RepeatedEvents
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.retention.plan.prune_plan import PlannedPruning, PrunePlan, why_of
from sauce_janitor.state import OpenPruning, PruneJournal


@dataclass(slots=True)
class Pruned:
    """The result of a pruning: the plan, what was removed, what was spared meanwhile (a hold, an
    edit), and what failed, with reasons.

    `recovered` were started by an earlier pruning and are finished now. `halted` says why the plan
    was not carried out completely.
    """

    plan: PrunePlan
    executed: bool = False
    jobs: int = 0
    files: int = 0
    size_bytes: int = 0
    recovered: int = 0
    spared: int = 0
    failures: list[str] = field(default_factory=list)
    halted: str | None = None

    @property
    def complete(self) -> bool:
        """Whether everything planned is removed; True for a dry run."""
        return not self.executed or not (self.failures or self.halted)


@dataclass(frozen=True, slots=True)
class PrunePorts:
    """What removing works with. `fence` is the number of the account's lease; `why` is the reason
    to record, None for the reasons of the plan.
    """

    account: str
    run_id: str
    context: RunContext
    journal: PruneJournal
    pruner: Pruner
    fence: int
    why: str | None


class PruneRemover:
    """Removes files of one account's archive."""

    def __init__(self, decider: PruneDecider, ports: PrunePorts) -> None:
        self._decider, self._ports = decider, ports
        self._account, self._context = ports.account, ports.context
        self._journal, self._pruner = ports.journal, ports.pruner
        self._root = decider.catalogue.root
        self._log: Any = structlog.get_logger().bind(account=ports.account, run_id=ports.run_id)
        self._repeats = RepeatedEvents()

    def close(self) -> None:
        """Log how often each repeated event happened."""
        self._repeats.conclude(self._log)

    # --- what was begun before --------------------------------------------------------------------

    def recover(self) -> int:
        """Finish what earlier prunings started, and return how many. A newer hold keeps what is
        left, until it ends.
        """
        count = 0
        for begun in self._context.state.prunings.open(self._account):
            try:
                count += self._finish(begun)
            # The line stays open, so the next pruning tries again.
            except ArchiveError as error:
                self._unfinished(begun.job_id, str(error))
        return count

    def _unfinished(self, job_id: JobId, detail: str) -> None:
        self._repeats.warning(
            self._log, "prune.unfinished", example=job_id, job_id=job_id, detail=detail
        )

    def _finish(self, begun: OpenPruning) -> bool:
        """Remove what is left of it, and journal the outcome. Return whether it has one now."""
        key = self._context.state.accounts.key(self._account)
        places = self._decider.catalogue.places_of(begun.job_id, account=key, owner=begun.owner)
        for place in places:
            contents = contents_of(self._root, place)
            records = contents.records if contents else ()
            made = next((each for each in records if each.sha256 == begun.record), None)
            # The record comes before the first removal: without it, every file of this folder is
            # still there.
            if made is None:
                continue
            # Files that are still there are protected by a hold that was set since.
            if self._pruner.left(place, made) and self._decider.is_held(place):
                self._unfinished(begun.job_id, "a hold protects what is left of it")
                return False
            self._pruner.finish(place, made)
            self._journal.end(begun.intent, "pruned", detail="finished after an interruption")
            self._log.info(
                "archive.pruned", job_id=begun.job_id, files=len(made.record.files), recovered=True
            )
            return True
        self._journal.end(begun.intent, "left", detail="interrupted before anything was removed")
        return True

    # --- what is planned now ----------------------------------------------------------------------

    def carry_out(self, done: Pruned) -> None:
        """Remove what the plan says, as far as it still applies."""
        self._context.progress.phase(self._account, "prune", len(done.plan.rows))
        for row in done.plan.rows:
            if self._context.stop.is_set():
                done.halted = "stopped"
                return
            try:
                self._remove(row, done)
            # No other job could be removed either: paused, or the archive is out of reach.
            except (ArchiveUnusableError, RefusedError) as error:
                done.halted = str(error)
                return
            except (ArchiveError, PermitError) as error:
                done.failures.append(f"job {row.job_id}: {error}")
                self._repeats.error(
                    self._log,
                    "prune.failed",
                    example=row.job_id,
                    job_id=row.job_id,
                    detail=str(error),
                )
            self._context.progress.step()

    def _remove(self, row: PlannedPruning, done: Pruned) -> None:
        """Remove one job's files, if they are due now as they were when the plan was made."""
        found = self._decider.look(tuple(row.place.split("/")))
        due = found[1].due(self._decider.now) if found else ()
        still = tuple(term for term in due if term.file.file in set(row.files))
        # Held, or stored again, since the plan was made: the next pruning decides.
        if found is None or len(still) != len(row.files):
            done.spared += 1
            return
        permit = PrunePermit(
            row.job_id,
            row.owner,
            frozenset(row.files),
            self._ports.why or why_of(still),
            self._ports.fence,
        )
        contents = found[0].contents
        draft = self._pruner.draft(contents.place, contents.receipts, contents.records, permit)
        # The line has the record's hash, so that a crash in between can be told from a loss.
        intent = self._journal.begin(permit, record=draft.sha256, size_bytes=row.size_bytes)
        with self._or_left(intent, draft):
            self._pruner.prune(draft)
        self._journal.end(
            intent, "pruned", detail=f"{len(row.files)} files, {row.size_bytes} bytes"
        )
        done.jobs, done.files = done.jobs + 1, done.files + len(row.files)
        done.size_bytes += row.size_bytes
        self._log.info(
            "archive.pruned",
            job_id=row.job_id,
            files=len(row.files),
            bytes=row.size_bytes,
            why=permit.why,
        )

    @contextmanager
    def _or_left(self, intent: int, draft: PruneDraft) -> Iterator[None]:
        """Journal at once when nothing was removed. When something may have been, the next pruning
        finishes it.
        """
        try:
            yield
        except ArchiveError as error:
            contents = contents_of(self._root, draft.place)
            # The record is written before the first file goes: without it, every file is there.
            if contents is not None and all(
                each.sha256 != draft.sha256 for each in contents.records
            ):
                self._journal.end(intent, "left", detail=str(error))
            raise
