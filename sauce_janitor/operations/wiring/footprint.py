"""How many bytes a plan moves, estimated from this account's receipts and deletes, and the space on
the disk.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor.archive import ArchiveLocation
from sauce_janitor.config import ArchiveConfig
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.operations.wiring.disk_space import room_of
from sauce_janitor.operations.wiring.receipt_sizes import MOST_RECEIPTS, sizes_of
from sauce_janitor.retention.plan.effects import (
    NO_WEIGHTS,
    DiskSpace,
    PlanEffects,
    Weights,
    effects_of,
)
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.state import State

_MOST_DELETES: Final = 500


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a plan does, with its bytes, and the space for what it stores. `room` is None where it
    is unknown.
    """

    effects: PlanEffects
    room: DiskSpace | None = None

    def as_row(self) -> dict[str, Any]:
        """Return it as in JSON."""
        return {**self.effects.as_row(), "disk": self.room.as_row() if self.room else None}


def footprint_of(
    plan: Plan, settings: ArchiveConfig, weights: Weights = NO_WEIGHTS, *, erases: bool = False
) -> Footprint:
    """Return the plan's footprint, with bytes as far as the weights allow; `erases` as in
    `effects_of`.
    """
    try:
        room = room_of(settings)
    # The run refuses an unmounted disk; a plan can be shown without one.
    except OSError:
        room = None
    return Footprint(effects_of(plan, weights, erases=erases), room)


def weights_of(
    archive: ArchiveLocation, state: State, account: str, *, now: int, remembers: bool = True
) -> Weights:
    """Return the known sizes of the account's jobs in bytes; `now` is epoch seconds. Raise
    StateError.

    The means of a full sample are used for a day: drawing one from a large archive on a network
    disk takes time, and it hardly changes. Where the state is read only, `remembers` is False and
    nothing is stored.
    """
    key = f"receipt sizes {account}"
    known = _known(state.notes.read(key), str(archive), now=now)
    by_class, receipts = known or _drawn(archive, state.accounts.key(account))
    if remembers and known is None and receipts >= MOST_RECEIPTS:
        note = {"at": now, "archive": str(archive), "by_class": by_class, "receipts": receipts}
        state.notes.write(key, json.dumps(note))
    deletes, freed = state.journal.reclaimed(account, most=_MOST_DELETES)
    return Weights(by_class, receipts, freed / deletes if deletes else None, deletes)


def _drawn(archive: ArchiveLocation, account: str) -> tuple[dict[str, float], int]:
    sizes = sizes_of(archive, account)
    means = {each: size for each, size in sizes.a_job.items() if each not in sizes.assumed}
    return means, sizes.receipts


def _known(note: str | None, archive: str, *, now: int) -> tuple[dict[str, float], int] | None:
    """Return the stored means, if they are of this archive and less than a day old. After the clock
    was set back they count as old.
    """
    if note is None:
        return None
    try:
        document = json.loads(note)
        if document["archive"] != archive or not 0 <= now - document["at"] < DAY_S:
            return None
        return {str(each): float(size) for each, size in document["by_class"].items()}, int(
            document["receipts"]
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        # A note of another version, or a damaged one: draw a new sample.
        return None
