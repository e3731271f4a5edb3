"""Decides what can leave an account's archive, and why: one job at a time, and all of them as a
plan.

It reads the archive and the state, and changes neither. Sauce Labs is not asked.
"""

from __future__ import annotations

from sauce_janitor.archive import Catalogue
from sauce_janitor.config import Account
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.jobs import Owner
from sauce_janitor.operations.archive_listing import ArchiveListing, ListedArchivedJob
from sauce_janitor.operations.steps import acceptance
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.retention.plan.archive_pruning import ArchivePruning, JobPruning
from sauce_janitor.retention.plan.prune_plan import PrunePlan, measure


class PruneDecider:
    """Decides on one account's archive as of `now`, in epoch seconds. Close it.

    With `erase` it decides about everything that the archive holds of this owner, whatever
    `keep_for` says.
    """

    def __init__(
        self,
        account: Account,
        context: RunContext,
        catalogue: Catalogue,
        *,
        erase: Owner | None,
        now: int,
    ) -> None:
        self._account, self._context, self._erase = account, context, erase
        self.catalogue, self.now = catalogue, now
        self._rules = context.config.rules(account.name)
        self._pruning = ArchivePruning(self._rules, as_of=now)
        self._listing = ArchiveListing(catalogue, context.state, context.config, account, as_of=now)

    def close(self) -> None:
        """Close the archive's mirror of holds."""
        self._listing.close()

    def is_held(self, place: tuple[str, ...]) -> bool:
        """Return whether a hold of any kind may protect the job in this folder."""
        return self._listing.is_held(place)

    def look(self, place: tuple[str, ...]) -> tuple[ListedArchivedJob, JobPruning] | None:
        """Return one job as it is now, with the decision on it; None when it is gone."""
        listed = self._listing.look(place)
        if listed is None:
            return None
        if self._erase is not None:
            return listed, self._pruning.erase(listed.job)
        return listed, self._pruning.prune(listed.job)

    def plan(self) -> PrunePlan:
        """Decide on every job that the archive holds of the account, and measure the limits.

        A job that cannot be read is named in the plan and stays. Raise ArchiveUnusableError where
        the archive as a whole cannot be read.
        """
        plan, context, name = PrunePlan(self.now), self._context, self._account.name
        if self._erase is None:
            if not self._pruning.has_keep_for:
                return plan
            self._listing.keep()
        digest = context.config.policy_digest(name)
        accepted_at = context.state.prunings.accepted_at(name, digest)
        context.progress.phase(name, "look")
        for place in self._listing.places(owner=self._erase):
            context.progress.step()
            if context.stop.is_set():
                break
            try:
                self._add(plan, place, accepted_at)
            # Every other job would fail in the same way.
            except ArchiveUnusableError:
                raise
            except ArchiveError as error:
                plan.unreadable.append(str(error))
        # Limits protect from a mistake in a rule; an owner to erase was named by a person.
        if self._erase is None:
            leeway = acceptance.leeway(
                context.config, context.state, name, now=self.now, reviewed=False
            )
            measure(plan, self._rules, leeway)
        return plan

    def _add(self, plan: PrunePlan, place: tuple[str, ...], accepted_at: int | None) -> None:
        """Add one job to the plan. Use the archive alone where that shows that nothing is due, as
        for most jobs on most days.
        """
        # Rules about builds need the state, so the archive alone cannot decide then.
        if self._erase is None and not self._pruning.reads_builds:
            alone = self._listing.look(place, alone=True)
            if alone is None:
                return
            if not self._pruning.may_go(alone.job):
                plan.add(
                    "/".join(place),
                    self._pruning.prune(alone.job),
                    self._pruning.matched(alone.job),
                    accepted_at=accepted_at,
                )
                return
        found = self.look(place)
        if found is not None:
            listed, decided = found
            plan.add(
                "/".join(place),
                decided,
                self._pruning.matched(listed.job),
                accepted_at=accepted_at,
            )
