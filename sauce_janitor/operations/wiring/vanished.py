"""What vanished at Sauce Labs without this program: one run's count, and the last report of an
account, which `status` shows.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor.counts import counted
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.state import State

FEW_VANISHED: Final = 5
"""People may delete up to this many jobs by hand between two runs; more are reported."""
TOLD_S: Final = 7 * DAY_S
"""`status` reports it for this long."""


@dataclass(frozen=True, slots=True)
class Vanished:
    """How many jobs, and the assets of how many, vanished at Sauce Labs in one run without this
    program and without a purge.
    """

    jobs: int = 0
    assets: int = 0

    @property
    def are_many(self) -> bool:
        """Whether it is more than people delete by hand."""
        return self.jobs + self.assets > FEW_VANISHED

    def words(self) -> str:
        """Return what it means, for people."""
        return (
            f"{counted(self.jobs, 'job')}, and the assets of {counted(self.assets, 'job')}, were"
            " deleted at Sauce Labs by somebody else: does another janitor or a script delete on"
            " this account? It does not see the holds here: stop one of the two"
            " (docs/explanation/safety.md)"
        )


def remember(state: State, account: str, found: Vanished, *, now: int) -> None:
    """Keep the report of a run that ends `now` (epoch seconds), in place of an older one."""
    note = {"at": now, "jobs": found.jobs, "assets": found.assets}
    state.notes.write(_note(account), json.dumps(note))


def last_traces(state: State, account: str, *, now: int) -> dict[str, Any] | None:
    """Return the last report, if it is less than a week old: `at` (epoch seconds), `jobs`,
    `assets`.
    """
    note = state.notes.read(_note(account))
    found: dict[str, Any] | None = None if note is None else json.loads(note)
    return found if found is not None and now - found["at"] < TOLD_S else None


def _note(account: str) -> str:
    return f"vanished {account}"
