"""Estimates of what a plan costs in requests and bytes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from sauce_janitor.model.assets import CLASSES, Selection, asset_classes
from sauce_janitor.model.jobs import DELETES, Action, Owner
from sauce_janitor.retention.plan.plan import Plan, Template

TYPICAL_ASSETS: Final = tuple(chain.from_iterable(each.typical_files for each in CLASSES))
"""The files that a job is taken to have before its asset list is known: an estimate, never a reason
to delete.
"""
_BATCH = 20
_BUNDLED_FROM = 3  # as many screenshots are fetched as one `screenshots.zip`
_CONFIRMED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class WorkCounts:
    """Jobs by what is done to them: archived (a delete may follow), only deleted, stopped; and
    those deleted whole.

    `files` is the number of requests that fetch the assets of all of them.
    """

    archived: int = 0
    files: int = 0
    archived_and_deleted: int = 0
    only_deleted: int = 0
    stopped: int = 0
    jobs_gone: int = 0


def work_of(plan: Plan, owners: Collection[Owner] | None = None) -> WorkCounts:
    """Return what a plan has to do; `owners` limits it to their jobs."""
    sums: Counter[str] = Counter()
    for template, jobs in plan.rows.templates(owners):
        actions = {action for action, _, _ in template.actions}
        deletes = not actions.isdisjoint(DELETES)
        # A delete after the archive needs no list of its own.
        if Action.ARCHIVE in actions:
            sums["archived"] += jobs
            sums["archived_and_deleted"] += jobs * deletes
            sums["files"] += jobs * files_wanted(template.selection)
        elif deletes:
            sums["only_deleted"] += jobs
        sums["stopped"] += jobs * (Action.STOP in actions)
        sums["jobs_gone"] += jobs * (Action.DELETE_JOB in actions)
    return WorkCounts(**sums)


def files_wanted(selection: Selection | None) -> int:
    """Return how many requests fetch what a selection wants of a typical job: three screenshots or
    more come as one file.
    """
    if selection is None:
        return 0
    wanted = [name for name in TYPICAL_ASSETS if selection.wants(name)]
    shots = sum(name.endswith("screenshot.png") for name in wanted)
    return len(wanted) - (shots - 1 if shots >= _BUNDLED_FROM else 0)


def requests_needed(work: WorkCounts) -> int:
    """Return how many requests the work takes: an estimate, rounded up.

    An archived job: its details by the batch, the asset list, its files. A delete after it: the
    details again and the DELETE. A job that is only deleted: the asset list, its details by the
    batch, the DELETE. Deleted jobs are confirmed by the hundred.
    """
    archived = work.archived * (1 / _BATCH + 1) + work.files
    deleted = work.archived_and_deleted * 2 + work.only_deleted * (1 + 1 / _BATCH + 1)
    return math.ceil(archived + deleted + work.stopped * 3 + work.jobs_gone / _CONFIRMED_AT_ONCE)


def requests_for(template: Template, action: Action) -> float:
    """Return how many requests one action of a job takes. `requests_needed` is the sum of them over
    a plan, rounded up.
    """
    if action is Action.STOP:
        return 3
    if action is Action.ARCHIVE:
        return 1 / _BATCH + 1 + files_wanted(template.selection)
    each = 2 if template.archives else 2 + 1 / _BATCH
    return each + (1 / _CONFIRMED_AT_ONCE if action is Action.DELETE_JOB else 0)


TYPICAL_BYTES: Final[Mapping[str, float]] = {
    each.name: each.typical_bytes for each in CLASSES if each.typical_bytes is not None
}
"""Estimated bytes a job by asset class, where no receipt says."""
_EXAMPLES: Final = {each.name: each.example for each in CLASSES}


def class_of(name: str) -> str:
    """Return the one class that an asset's bytes are counted under."""
    classes = asset_classes(name)
    return next(each for each in _EXAMPLES if each in classes)


def wants_class(selection: Selection, name: str) -> bool:
    """Return whether the selection wants the assets of a class (see `class_of`)."""
    return selection.wants(_EXAMPLES[name])


def bytes_wanted(selection: Selection, sizes: Mapping[str, float]) -> float:
    """Return an estimate of the size of a job's wanted assets; `sizes` are mean bytes a job by
    class (see `class_of`).
    """
    return sum(size for each, size in sizes.items() if wants_class(selection, each))
