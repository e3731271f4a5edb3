"""A failed action, as the executor reports it and results show it."""

from __future__ import annotations

from dataclasses import dataclass

from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, JobId, Owner


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
