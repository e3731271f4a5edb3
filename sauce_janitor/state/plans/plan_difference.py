"""What changed from one stored plan to the next. The ids are compared in parts, so that this takes
little memory for plans of a million jobs.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Final

from sauce_janitor.model.console.stored_plans import PlanDifference
from sauce_janitor.model.jobs import JobId
from sauce_janitor.state.plans.plan_parts import marks_of, placed

_FIRST: Final = 10
"""How many jobs of each kind a page shows."""


class PlanComparison:
    """Compares the ids of a new plan with those of the former one, part by part."""

    def __init__(self, former_as_of: int, former: Callable[[int], bytes]) -> None:
        """`former(part)` returns a part of the former plan's ids, b"" for none."""
        self._as_of, self._former = former_as_of, former
        self._seen: set[int] = set()
        self._added, self._left, self._changed = 0, 0, 0
        self._first_added: list[int] = []
        self._first_changed: list[int] = []
        self._first_left: list[tuple[int, bytes]] = []

    def see(self, part: int, content: bytes) -> None:
        """Compare one part of the new plan's ids."""
        self._seen.add(part)
        former = self._former(part)
        new, old = marks_of(content), marks_of(former)
        # Nearly all jobs of two plans are the same: only the others are looked at one by one.
        came, went = placed(content, new - old), placed(former, old - new)
        added = [position for job_id, position in came.items() if job_id not in went]
        changed = [position for job_id, position in came.items() if job_id in went]
        left = [(position, job_id) for job_id, position in went.items() if job_id not in came]
        self._added += len(added)
        self._left += len(left)
        self._changed += len(changed)
        self._first_added = heapq.nsmallest(_FIRST, [*self._first_added, *added])
        self._first_left = heapq.nsmallest(_FIRST, [*self._first_left, *left])
        self._first_changed = heapq.nsmallest(_FIRST, [*self._first_changed, *changed])

    def result(self) -> PlanDifference:
        """Return the difference, after every part of the new plan was compared."""
        for part in range(256):
            # The new plan has no job there, and the former one may have some.
            if part not in self._seen:
                self.see(part, b"")
        return PlanDifference(
            self._as_of,
            self._added,
            self._left,
            self._changed,
            tuple(self._first_added),
            tuple(JobId(job_id.hex()) for _, job_id in self._first_left),
            tuple(self._first_changed),
        )
