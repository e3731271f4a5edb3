"""The first lines of a plan: broken limits, what is destroyed without a copy, each job once, and
how many bytes the plan frees and stores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.console import Console

from sauce_janitor.counts import counted
from sauce_janitor.model.jobs import HOLD
from sauce_janitor.report.rich_console import say
from sauce_janitor.report.tables import Column, show_table
from sauce_janitor.report.text import size
from sauce_janitor.retention.plan.effects import (
    DiskSpace,
    JobEffect,
    PlanEffects,
    PlannedLoss,
    Volume,
)
from sauce_janitor.retention.plan.limits import BrokenLimit

_WORDS: Final = {
    JobEffect.DELETED: "Deleted",
    JobEffect.ASSETS_DELETED: "Lose their assets",
    JobEffect.STOPPED: "Stopped",
    JobEffect.ARCHIVED: "Only archived",
    JobEffect.KEPT: "Kept as they are",
}
_MOST_LOSSES: Final = 6


def show_dangers(out: Console, effects: PlanEffects, broken: Sequence[BrokenLimit]) -> None:
    """Print what a reader must see first: broken limits and what is lost."""
    for limit in broken:
        say(out, f"Limit broken: {limit.text}", style="bold red")
    for number, line in enumerate(loss_lines(effects)):
        say(out, line, indent=2 if number else 0, style="red" if number else "bold red")


def loss_lines(effects: PlanEffects) -> Iterator[str]:
    """Yield what is destroyed without a copy.

    The first line is the total, then comes one line for each policy and selection of files.
    """
    if not effects.losses:
        return
    yield f"Destroyed without a copy: {_weighed(effects.lost_jobs, effects.unstored)}"
    found = effects.by_loss()
    for loss, jobs in found[:_MOST_LOSSES]:
        yield f"{counted(jobs, 'job')} of {loss.policy or HOLD}: {loss_text(loss)}"
    if len(found) > _MOST_LOSSES:
        others = sum(jobs for _, jobs in found[_MOST_LOSSES:])
        yield f"and {counted(others, 'job')} in other ways (--format json has all)"


def loss_text(loss: PlannedLoss) -> str:
    """Return what is destroyed of a job, and what is stored of it."""
    if not loss.has_assets:
        # The assets are gone already: deleting the job destroys its name, status and dates.
        return "the record, all that is left"
    if loss.selection is None:
        # The policy says `archive: none`; an earlier one may have stored some files.
        if loss.stored:
            return f"all but {_listed(loss.stored)}, archived earlier"
        return "nothing is archived"
    forbidden, given_up = _listed(loss.selection.forbid), _listed(loss.selection.gives_up)
    stored = f"archived: {_listed(loss.selection.assets)}"
    lost = [] if "all" in loss.selection.assets else ["the rest"]
    lost += [f"{forbidden} (forbidden)"] if forbidden else []
    lost += [f"{given_up} (given up)"] if given_up else []
    return f"{stored}; destroyed: {' and '.join(lost)}"


def effects_rows(effects: PlanEffects) -> Iterator[tuple[str, int, int | None, str | None]]:
    """Yield a row for each effect; every job counts in exactly one.

    A row is: what happens, to how many jobs, how many are archived first, and what it frees.
    """
    for effect, words in _WORDS.items():
        jobs = effects.jobs.get(effect, 0)
        # Kept jobs have a row even at zero: a plan that touches every job must show it.
        if not jobs and effect is not JobEffect.KEPT:
            continue
        freed = effects.frees.get(effect)
        # A job that is only archived is archived, but not before anything else.
        archived = None if effect is JobEffect.ARCHIVED else effects.archived.get(effect) or None
        yield words, jobs, archived, short_amount(freed) if freed else None


def show_effects(out: Console, effects: PlanEffects) -> None:
    """Print `effects_rows` as a table."""
    columns = (
        Column("Effect", "word"),
        Column("Jobs", "number"),
        Column("Archived first", "number"),
        Column("Frees about", "size"),
    )
    show_table(out, columns, effects_rows(effects))


def weight_lines(effects: PlanEffects, room: DiskSpace | None) -> Iterator[tuple[str, bool]]:
    """Yield what the plan frees and stores, how that is estimated, and whether it is a warning."""
    weights = effects.weights
    if effects.frees:
        # Sauce Labs reports what a delete freed, of all files. Receipts know only stored files.
        if weights.whole is not None:
            by = f"by the mean of {counted(weights.deletes, 'delete')}"
        else:
            by = f"by the mean of {counted(weights.receipts, 'receipt')}"
        known = ", nothing was deleted or archived yet"
        if weights.deletes or weights.receipts:
            known = f" ({by})"
        yield f"Frees at Sauce Labs: {amount(effects.freed)}{known}", False
    if any(effects.archived.values()):
        yield _stores(effects, room)


def _stores(effects: PlanEffects, room: DiskSpace | None) -> tuple[str, bool]:
    stores, receipts = effects.stores, effects.weights.receipts
    known = (
        f" (by the mean of {counted(receipts, 'receipt')})"
        if receipts
        else ", there is no receipt yet"
    )
    line = f"Adds to the archive: {amount(stores)}{known}"
    if room is None:
        return f"{line}; the free space on the archive's disk is unknown", True
    left = room.free - stores.size_bytes
    # The archive keeps `min_free` free, so the disk is full for it before it is full.
    if left < room.floor:
        floor = f"and archive.min_free keeps {size(room.floor)} of it"
        return f"{line}; the disk has only {size(room.free)} free, {floor}: make room", True
    after = f", {size(left)} after it" if stores.size_bytes else ""
    return f"{line}; the disk has {size(room.free)} free{after}", False


def unstored_words(effects: Mapping[str, Any]) -> str | None:
    """Return how many jobs lose files without a copy, and their size; None for no job.

    `effects` is `PlanEffects` as JSON.
    """
    unstored = effects.get("unstored", {"jobs": 0})
    if not unstored["jobs"]:
        return None
    return _weighed(
        unstored["jobs"], Volume(unstored["bytes"] or 0, frozenset(unstored["unknown"]))
    )


def amount(volume: Volume) -> str:
    """Return a number of bytes as text, and how certain it is."""
    if not volume.unknown:
        return f"about {size(volume.size_bytes)}"
    if not volume.size_bytes:
        return "size unknown"
    return f"at least {size(volume.size_bytes)} ({_listed(volume.unknown)}: size unknown)"


def short_amount(volume: Volume) -> str:
    """Return `amount` short enough for a cell of a table."""
    if not volume.unknown:
        return size(volume.size_bytes)
    return f"> {size(volume.size_bytes)}" if volume.size_bytes else "unknown"


def _weighed(jobs: int, volume: Volume) -> str:
    if not volume.size_bytes and not volume.unknown:
        # Sauce Labs has purged the assets by now, or only records are left.
        return counted(jobs, "job")
    return f"{counted(jobs, 'job')}, {amount(volume)}"


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words))
