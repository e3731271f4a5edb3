"""What all reports share: the names of actions, units, and single lines of text."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sauce_janitor import counts
from sauce_janitor.model.jobs import Action

counted = counts.counted
"""Also here, where reports look for it; the pure layers below have no reports."""

ACTIONS = {
    Action.ARCHIVE: "archive",
    Action.DELETE_ASSETS: "delete assets",
    Action.DELETE_JOB: "delete job",
    Action.STOP: "stop",
}
"""Each action as people read it."""

_DUE = {
    Action.ARCHIVE: "{jobs} to archive",
    Action.DELETE_ASSETS: "assets of {jobs} to delete",
    Action.DELETE_JOB: "{jobs} to delete",
    Action.STOP: "{jobs} to stop",
}
_DONE = {
    Action.ARCHIVE: "{jobs} archived",
    Action.DELETE_ASSETS: "assets of {jobs} deleted",
    Action.DELETE_JOB: "{jobs} deleted",
    Action.STOP: "{jobs} stopped",
}


def size(count: float) -> str:
    """Return bytes in the unit that reads best: `512 B`, `1.2 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def span(seconds: float) -> str:
    """Return a duration in at most two units: `2 h 5 min`."""
    # Rounded up: a wait of 0.4 s is not over in 0 s.
    whole = math.ceil(seconds)
    for unit, name, below, less in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {less}" if rest else "")
    return f"{whole} s"


def outcomes_text(counts: Mapping[str, int]) -> str:
    """Return the outcomes of a run, `delete_assets_done: 5, …`, by action: `delete assets 5 done,
    22 already gone; delete job 3 done`.
    """
    found = []
    for action, name in ACTIONS.items():
        start = f"{action.value}_"
        outcomes = [
            f"{number:,} {key.removeprefix(start).replace('_', ' ')}"
            for key, number in counts.items()
            if key.startswith(start)
        ]
        if outcomes:
            found.append(f"{name} {', '.join(outcomes)}")
    return "; ".join(found)


def last_line(totals: Mapping[Action, int]) -> str:
    """Return the last line of a plan."""
    return due_line("Plan", totals)


def due_line(what: str, totals: Mapping[Action, int]) -> str:
    """Return for how many jobs each action is due, in one line that begins with `what`."""
    return f"{what}: " + ", ".join(due(action, totals.get(action, 0)) for action in ACTIONS)


def due(action: Action, number: int) -> str:
    """Return `2 jobs to archive`, `assets of 1 job to delete`."""
    return _DUE[action].format(jobs=counted(number, "job"))


def done(action: Action, number: int) -> str:
    """Return `2 jobs archived`, `assets of 1 job deleted`."""
    return _DONE[action].format(jobs=counted(number, "job"))
