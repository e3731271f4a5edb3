"""A failed action, as the executor reports it and results show it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, JobId, Owner

_VARYING: Final = re.compile(r"[0-9a-f]{32}|\d+")


@dataclass(frozen=True, slots=True)
class ActionFailed:
    """An action failed; `detail` is one sentence.

    `kind` says when the job is tried again. None: nothing was tried, so the job needs no pause.
    """

    job_id: JobId
    owner: Owner
    policy: str
    action: Action
    detail: str
    kind: FailureKind | None = FailureKind.OTHER


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """Failures that differ only in ids and numbers: the first of them, and all their jobs."""

    first: ActionFailed
    job_ids: tuple[JobId, ...]


def alike(failures: Iterable[ActionFailed]) -> tuple[FailureGroup, ...]:
    """Return the failures in groups, the largest first."""
    kinds: dict[tuple[Action, str, str], list[ActionFailed]] = {}
    for failure in failures:
        # Without ids and numbers the same failure of a thousand jobs is one group.
        kind = _VARYING.sub("", failure.detail)
        kinds.setdefault((failure.action, failure.policy, kind), []).append(failure)
    return tuple(
        FailureGroup(group[0], tuple(failure.job_id for failure in group))
        for group in sorted(kinds.values(), key=len, reverse=True)
    )
