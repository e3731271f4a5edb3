"""What a plan does, with each job counted once; what it destroys without a copy; and how many bytes
that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import DELETES, Action
from sauce_janitor.retention.plan.costs import TYPICAL_BYTES, bytes_wanted, wants_class
from sauce_janitor.retention.plan.plan import Plan, Template

_EVERYTHING: Final = frozenset({"all"})


class JobEffect(StrEnum):
    """The most that a plan does to a job."""

    DELETED = "deleted"
    ASSETS_DELETED = "assets_deleted"
    STOPPED = "stopped"
    ARCHIVED = "archived"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Weights:
    """What is known of the size of an account's jobs, in bytes: never a guess.

    `by_class` are the means a job by asset class, from so many `receipts`. `whole` is the mean of
    all assets of a job, as Sauce Labs reported for so many `deletes`; None where it has reported
    none.
    """

    by_class: Mapping[str, float] = field(default_factory=dict)
    receipts: int = 0
    whole: float | None = None
    deletes: int = 0


NO_WEIGHTS: Final = Weights()


@dataclass(frozen=True, slots=True)
class Volume:
    """A number of bytes. `unknown` are the asset classes that are missing from it: then it is at
    least so much.
    """

    size_bytes: float = 0.0
    unknown: frozenset[str] = frozenset()

    def times(self, jobs: int) -> Volume:
        """Return the volume of so many jobs; of no job it is 0 and known."""
        return Volume(self.size_bytes * jobs, self.unknown) if jobs else Volume()

    def plus(self, other: Volume) -> Volume:
        """Return the sum of both."""
        return Volume(self.size_bytes + other.size_bytes, self.unknown | other.unknown)

    def as_row(self) -> dict[str, Any]:
        """Return its JSON object: `bytes` is None where nothing is known."""
        known = self.size_bytes or not self.unknown
        return {"bytes": round(self.size_bytes) if known else None, "unknown": sorted(self.unknown)}


@dataclass(frozen=True, slots=True)
class DiskSpace:
    """The disk under the archive, in bytes: what is free, and what `min_free` keeps free."""

    free: int
    floor: int

    def as_row(self) -> dict[str, Any]:
        """Return it as in JSON."""
        return {"free_bytes": self.free, "kept_free_bytes": self.floor}


@dataclass(frozen=True, slots=True)
class PlannedLoss:
    """What is destroyed of jobs without a copy, by the policy that permits the delete.

    `selection` is what is stored of their assets, None for nothing except what older receipts
    `stored`. Without `has_assets` only the records are left to destroy.
    """

    policy: str
    selection: Selection | None
    stored: frozenset[str] = frozenset()
    has_assets: bool = True


@dataclass(frozen=True, slots=True)
class PlanEffects:
    """Each job is counted once in `jobs`; `archived` counts those of them that are archived first.
    `frees` is at Sauce Labs.

    `losses` are the jobs that lose something without a copy, and `unstored` is its volume.
    """

    jobs: Mapping[JobEffect, int]
    archived: Mapping[JobEffect, int]
    frees: Mapping[JobEffect, Volume]
    stores: Volume
    losses: Mapping[PlannedLoss, int]
    unstored: Volume
    weights: Weights = NO_WEIGHTS

    @property
    def lost_jobs(self) -> int:
        """How many jobs lose something without a copy."""
        return sum(self.losses.values())

    @property
    def freed(self) -> Volume:
        """What all deletes free at Sauce Labs."""
        return _together(self.frees.values())

    def as_row(self) -> dict[str, Any]:
        """Return its JSON object, with stable keys."""
        return {
            "jobs": {effect.value: self.jobs.get(effect, 0) for effect in JobEffect},
            "archived_first": {effect.value: self.archived.get(effect, 0) for effect in JobEffect},
            "unstored": {
                "jobs": self.lost_jobs,
                **self.unstored.as_row(),
                "by": list(map(_row, self.by_loss())),
            },
            "frees": self.freed.as_row(),
            "stores": self.stores.as_row(),
            "estimated_by": {"receipts": self.weights.receipts, "deletes": self.weights.deletes},
        }

    def by_loss(self) -> list[tuple[PlannedLoss, int]]:
        """Return the losses with their jobs: first those without any copy, then those of the most
        jobs.
        """
        return sorted(
            self.losses.items(),
            key=lambda item: (_is_partial(item[0]), -item[1], item[0].policy, _words(item[0])),
        )


def effects_of(plan: Plan, weights: Weights = NO_WEIGHTS, *, erases: bool = False) -> PlanEffects:
    """Return what the plan does in its current state, in bytes as far as the weights know them.

    Jobs that ended so long ago that Sauce Labs has purged their assets count 0 bytes. With `erases`
    the archive's copies of the jobs are removed, too, so no copy counts.
    """
    jobs: Counter[JobEffect] = Counter()
    archived: Counter[JobEffect] = Counter()
    losses: Counter[PlannedLoss] = Counter()
    frees: dict[JobEffect, Volume] = {}
    stores = unstored = Volume()
    for template, count in plan.rows.templates():
        effect, loss = _effect(template), loss_of(template, erases=erases)
        weighing = _weighing(template, count)
        jobs[effect] += count
        if template.archives:
            archived[effect] += count
            stores = stores.plus(_stores(template, weights).times(weighing))
        if _deletes(template):
            frees[effect] = frees.get(effect, Volume()).plus(_whole(weights).times(weighing))
        if loss is not None:
            losses[loss] += count
            unstored = unstored.plus(_unstored(loss, weights).times(weighing))
    jobs[JobEffect.KEPT] = plan.inventory - sum(jobs.values())
    return PlanEffects(jobs, archived, frees, stores, losses, unstored, weights)


def volume_of(template: Template, action: Action, jobs: int, weights: Weights) -> Volume | None:
    """Return what one action stores in the archive, or frees at Sauce Labs, for so many jobs; None
    for a stop, which does neither.
    """
    if action is Action.STOP:
        return None
    each = _stores(template, weights) if action is Action.ARCHIVE else _whole(weights)
    return each.times(_weighing(template, jobs))


def _weighing(template: Template, jobs: int) -> int:
    # Sauce Labs has probably purged it: it is lost, but takes no space there.
    return jobs if template.has_assets and not template.is_past_purge else 0


def _effect(template: Template) -> JobEffect:
    actions = {action for action, _, _ in template.actions}
    if Action.DELETE_JOB in actions:
        return JobEffect.DELETED
    if Action.DELETE_ASSETS in actions:
        return JobEffect.ASSETS_DELETED
    return JobEffect.STOPPED if Action.STOP in actions else JobEffect.ARCHIVED


def _deletes(template: Template) -> bool:
    return any(action in DELETES for action, _, _ in template.actions)


def loss_of(template: Template, *, erases: bool = False) -> PlannedLoss | None:
    """Return what a job loses without a copy; None for nothing. `erases` as in `effects_of`."""
    if not _deletes(template):
        return None
    policy, selection = template.changes or "", template.selection
    stored = frozenset[str]() if erases else template.stored
    if not template.has_assets:
        # The record is lost if no receipt has it and none is made first.
        nothing = selection is None and not stored
        return PlannedLoss(policy, None, has_assets=False) if nothing else None
    gives_up = selection is not None and bool(selection.gives_up)
    # An older receipt may have more than is wanted now.
    if "all" in stored and not gives_up:
        return None
    if selection is not None:
        # The delete waits for everything that is wanted, so older receipts add nothing.
        stored = frozenset()
        if selection.assets == _EVERYTHING and not selection.forbid and not gives_up:
            return None
    return PlannedLoss(policy, selection, stored)


def _stores(template: Template, weights: Weights) -> Volume:
    return Volume() if template.selection is None else _of_selection(template.selection, weights)


def _of_selection(selection: Selection, weights: Weights) -> Volume:
    unknown = (
        each
        for each in TYPICAL_BYTES
        if each not in weights.by_class and wants_class(selection, each)
    )
    return Volume(bytes_wanted(selection, weights.by_class), frozenset(unknown))


def _whole(weights: Weights) -> Volume:
    """Return the size of all assets of a job: as Sauce Labs reports it for deletes, else as far as
    receipts tell.
    """
    if weights.whole is not None:
        return Volume(weights.whole)
    unknown = (each for each in TYPICAL_BYTES if each not in weights.by_class)
    return Volume(sum(weights.by_class.values()), frozenset(unknown))


def _unstored(loss: PlannedLoss, weights: Weights) -> Volume:
    whole = _whole(weights)
    if loss.selection is None:
        return whole
    stored = _of_selection(loss.selection, weights)
    # The stored part must be known completely before it can be subtracted.
    if weights.whole is not None and not stored.unknown:
        return Volume(max(0.0, whole.size_bytes - stored.size_bytes))
    # Count by class: the difference to the whole would include what is unknown.
    rest = [each for each in TYPICAL_BYTES if not wants_class(loss.selection, each)]
    known_bytes = sum(
        size for each, size in weights.by_class.items() if not wants_class(loss.selection, each)
    )
    return Volume(known_bytes, frozenset(rest) - weights.by_class.keys())


def _together(volumes: Iterable[Volume]) -> Volume:
    total = Volume()
    for volume in volumes:
        total = total.plus(volume)
    return total


def _is_partial(loss: PlannedLoss) -> bool:
    return loss.selection is not None or bool(loss.stored)


def _words(loss: PlannedLoss) -> tuple[str, ...]:
    return () if loss.selection is None else (loss.selection.key, *sorted(loss.selection.gives_up))


def _row(item: tuple[PlannedLoss, int]) -> dict[str, Any]:
    loss, jobs = item
    selection = loss.selection
    return {
        "policy": loss.policy,
        "jobs": jobs,
        "stored": sorted(loss.stored if selection is None else selection.assets),
        "forbidden": [] if selection is None else sorted(selection.forbid),
        "given_up": [] if selection is None else sorted(selection.gives_up),
        "only_records": not loss.has_assets,
    }
