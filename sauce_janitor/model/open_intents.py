"""Lines of the journal that still wait for a final outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.model.permits import Deed
from sauce_janitor.model.safety_numbers import IN_FLIGHT_S, MAX_CLOCK_SKEW_S


def under_way_s(sent_at: int, now: float, idle_s: float | None = None) -> float:
    """Return for how many more seconds a write without an answer may be under way at Sauce Labs.
    Both times are epoch seconds. `idle_s` is that of the lease (`HeldLease`).

    Whoever asks earlier may take a delete for failed that takes effect a moment later, and send a
    second one. That the process which sent it is dead makes no difference: the request may wait in
    the network or at Sauce Labs.
    """
    # Never longer than the whole time: the clock was set back since an intent from the future.
    if idle_s is None:
        return min(IN_FLIGHT_S, max(0.0, IN_FLIGHT_S - (now - sent_at)))
    # Another machine wrote the time: its clock, and this one, may differ from Sauce Labs' by as
    # much as deletes allow.
    if now - sent_at > IN_FLIGHT_S + 2 * MAX_CLOCK_SKEW_S:
        return 0.0
    return max(0.0, IN_FLIGHT_S - idle_s)


@dataclass(frozen=True, slots=True)
class OpenIntent:
    """An intent of a run without a final outcome. `sent_at` is in epoch seconds.

    `detail` is the detail of its `unknown` outcome, None when the run ended before writing one.
    `fence` is that of the lease under which it was written.
    """

    intent: int
    action: Action
    job_id: JobId
    owner: Owner
    policy: str
    sent_at: int
    detail: str | None
    fence: int | None = None


@dataclass(frozen=True, slots=True)
class OpenManualAction:
    """A manual action without a final outcome. `sent_at` is in epoch seconds.

    `wanted` are the fields of the job that its line in the journal says were to change.
    """

    intent: int
    action: Deed
    job_id: JobId
    owner: Owner
    wanted: Mapping[str, Any]
    sent_at: int
