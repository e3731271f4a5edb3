"""Detects that somebody else deletes on the account: jobs and assets that vanished without this
program.

Sauce Labs has no mark by which two janitors on one account could see each other. What one deletes
is missing for the other. It is counted in each run, and reported above a few, because people delete
single jobs by hand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Final

from sauce_janitor.execute import events
from sauce_janitor.execute.events import Event
from sauce_janitor.model.jobs import DELETES, Action
from sauce_janitor.model.permits import Deed
from sauce_janitor.model.safety_numbers import DAY_S, PURGED_AFTER_S
from sauce_janitor.operations.wiring.vanished import Vanished, remember
from sauce_janitor.state import State

if TYPE_CHECKING:  # reading the state loads no metrics
    from sauce_janitor.operations.records.telemetry import Telemetry

_FORGOTTEN_S: Final = 85 * DAY_S
"""Sauce Labs may have removed jobs older than about three months itself."""
_EXPLAINS: Final[Mapping[Action, Collection[Deed]]] = {
    Action.DELETE_JOB: (Action.DELETE_JOB,),
    Action.DELETE_ASSETS: DELETES,
}
"""Which deletes by this program may explain that the object of an action is gone."""


class ForeignDeletes:
    """Counts foreign deletes in one run. Threads call `event` one at a time."""

    def __init__(self, account: str, state: State, tell: Telemetry, *, now: int) -> None:
        self._account, self._state, self._tell, self._now = account, state, tell, now
        self._before = 0
        self._listed_since = 0
        self._jobs = self._assets = 0

    @property
    def found(self) -> Vanished:
        """What has vanished so far."""
        return Vanished(self._jobs, self._assets)

    def before_listing(self) -> None:
        """Count the jobs that are gone before the listing: the difference afterwards has vanished
        since.
        """
        # Jobs gone at the last full listing have not been listed since. Only the others are looked
        # up in the journal: looking up all that ever went would take seconds in each run.
        self._listed_since = self._state.jobs.full_at(self._account) or 0
        self._before = self._gone()

    def after_listing(self) -> None:
        """Count what the listing found gone. What a delete by this program may have removed is in
        neither number.
        """
        self._jobs += max(0, self._gone() - self._before)

    def event(self, event: Event) -> None:
        """Count an event of a plan that is being carried out."""
        if not isinstance(event, events.AlreadyGone) or self._may_be_ours(event):
            return
        if event.action is Action.DELETE_JOB:
            self._jobs += 1
        elif event.action is Action.DELETE_ASSETS and not self._was_purged(event):
            self._assets += 1

    def conclude(self) -> None:
        """Count the total at the end of the run, however it ended, and report it above a few."""
        found = self.found
        self._tell.vanished(found)
        if found.are_many:
            remember(self._state, self._account, found, now=self._now)

    def _gone(self) -> int:
        jobs, ended_since = self._state.jobs, self._now - _FORGOTTEN_S
        return jobs.count_gone(
            self._account, ended_since=ended_since, listed_since=self._listed_since
        )

    def _may_be_ours(self, event: events.AlreadyGone) -> bool:
        """Return whether a delete that this program ever started may have taken effect, whatever
        outcome was recorded.

        A delete without an answer, one that was cut short, and one after which the job was still
        there may all still take effect.
        """
        explains = _EXPLAINS.get(event.action, ())
        lines = self._state.journal.of(event.job_id, self._account)
        return any(line.kind == "intent" and line.action in explains for line in lines)

    def _was_purged(self, event: events.AlreadyGone) -> bool:
        ended_at = self._state.jobs.ended_at(self._account, event.job_id)
        return ended_at is None or self._now - ended_at >= PURGED_AFTER_S
