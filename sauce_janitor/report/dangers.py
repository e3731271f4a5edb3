"""How a plan begins: broken limits, what is destroyed without a copy, each job counted once, and
what it weighs and needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from rich.console import Console

from sauce_janitor.report.tables import Column, show_table
from sauce_janitor.report.text import say, size
from sauce_janitor.retention.plan.effects import JobEffect, PlanEffects, PlannedLoss, Volume
from sauce_janitor.retention.plan.limits import BrokenLimit

_WORDS: Final = {
    JobEffect.DELETED: "Deleted",
    JobEffect.ASSETS_DELETED: "Lose their assets",
    JobEffect.STOPPED: "Stopped",
    JobEffect.ARCHIVED: "Only archived",
    JobEffect.KEPT: "Kept as they are",
}
_MOST_LOSSES: Final = 6


class DiskRoom(Protocol):
    """The room under the archive, in bytes: what is free, and what stays free."""

    @property
    def free(self) -> int: ...
    @property
    def floor(self) -> int: ...


def show_dangers(out: Console, effects: PlanEffects, broken: Sequence[BrokenLimit]) -> None:
    """Print what a reader must not miss, before anything else."""
    for limit in broken:
        say(out, f"Limit broken: {limit.text}", style="bold red")
    for number, line in enumerate(loss_lines(effects)):
        say(out, line, indent=2 if number else 0, style="red" if number else "bold red")


def loss_lines(effects: PlanEffects) -> Iterator[str]:
    """Yield what is destroyed without a copy: a line for all, then one a policy and choice of
    files.
    """
    if not effects.losses:
        return
    yield f"Destroyed without a copy: {_weighed(effects.lost_jobs, effects.unstored)}"
    found = effects.by_loss()
    for loss, jobs in found[:_MOST_LOSSES]:
        yield f"{_jobs(jobs)} of {loss.policy or '(holds)'}: {_of(loss)}"
    if len(found) > _MOST_LOSSES:
        yield (
            f"and {_jobs(sum(jobs for _, jobs in found[_MOST_LOSSES:]))} in other ways (--format"
            " json has all)"
        )


def _of(loss: PlannedLoss) -> str:
    if not loss.has_assets:
        return "the record, the last that is left of them"
    if loss.selection is None:
        return (
            f"all but {_listed(loss.stored)}, stored earlier"
            if loss.stored
            else "nothing is stored"
        )
    forbidden, given_up = _listed(loss.selection.forbid), _listed(loss.selection.gives_up)
    stored = f"stored: {_listed(loss.selection.assets)}"
    lost = [] if "all" in loss.selection.assets else ["the rest"]
    lost += [f"{forbidden} (forbidden)"] if forbidden else []
    lost += [f"{given_up} (given up)"] if given_up else []
    return f"{stored}; destroyed: {' and '.join(lost)}"


def effects_rows(effects: PlanEffects) -> Iterator[tuple[str, int, int | None, str | None]]:
    """Yield all jobs, each in one row: what happens, to how many, how many are archived first, what
    it frees.
    """
    for effect, words in _WORDS.items():
        jobs = effects.jobs.get(effect, 0)
        if not jobs and effect is not JobEffect.KEPT:
            continue
        freed = effects.frees.get(effect)
        # Of those that are only archived, "first" would mean nothing.
        archived = None if effect is JobEffect.ARCHIVED else effects.archived.get(effect) or None
        yield words, jobs, archived, short_amount(freed) if freed else None


def show_effects(out: Console, effects: PlanEffects) -> None:
    """Print the same as a table."""
    columns = (
        Column("Each job once", "word"),
        Column("Jobs", "number"),
        Column("Archived first", "number"),
        Column("Frees about", "size"),
    )
    show_table(out, columns, effects_rows(effects))


def weight_lines(effects: PlanEffects, room: DiskRoom | None) -> Iterator[tuple[str, bool]]:
    """Yield what the plan frees and stores, by which numbers, and whether the line is a warning."""
    weights = effects.weights
    if effects.frees:
        if weights.whole is not None:
            by = f"by the mean of {weights.deletes:,} deletes"
        else:
            by = f"by the mean of {weights.receipts:,} receipts"
        known = (
            f" ({by})"
            if weights.deletes or weights.receipts
            else ", nothing was deleted or archived yet"
        )
        yield f"Frees at Sauce Labs: {amount(effects.freed)}{known}", False
    if any(effects.archived.values()):
        yield _stores(effects, room)


def _stores(effects: PlanEffects, room: DiskRoom | None) -> tuple[str, bool]:
    stores, receipts = effects.stores, effects.weights.receipts
    known = f" (by the mean of {receipts:,} receipts)" if receipts else ", there is no receipt yet"
    said = f"Stores: {amount(stores)}{known}"
    if room is None:
        return f"{said}; the room on the archive's disk cannot be told", True
    left = room.free - stores.size_bytes
    if left < room.floor:
        floor = f"and archive.min_free keeps {size(room.floor)} of it"
        return f"{said}; the disk has only {size(room.free)} free, {floor}: make room", True
    after = f", {size(left)} after it" if stores.size_bytes else ""
    return f"{said}; the disk has {size(room.free)} free{after}", False


def unstored_words(effects: Mapping[str, Any]) -> str | None:
    """Return how many jobs lose what is stored nowhere, of effects as JSON has them; None for
    none.
    """
    unstored = effects.get("unstored", {"jobs": 0})
    if not unstored["jobs"]:
        return None
    return _weighed(
        unstored["jobs"], Volume(unstored["bytes"] or 0, frozenset(unstored["unknown"]))
    )


def amount(volume: Volume) -> str:
    """Return a number of bytes in words, and how sure it is."""
    if not volume.unknown:
        return f"about {size(volume.size_bytes)}"
    if not volume.size_bytes:
        return "size unknown"
    return f"at least {size(volume.size_bytes)} ({_listed(volume.unknown)}: size unknown)"


def short_amount(volume: Volume) -> str:
    """Return the same for a cell."""
    if not volume.unknown:
        return size(volume.size_bytes)
    return f"> {size(volume.size_bytes)}" if volume.size_bytes else "unknown"


def _weighed(jobs: int, volume: Volume) -> str:
    # No bytes: Sauce Labs has purged them by now, or records alone are left.
    return (
        f"{_jobs(jobs)}, {amount(volume)}" if volume.size_bytes or volume.unknown else _jobs(jobs)
    )


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
