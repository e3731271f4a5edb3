"""What all reports share: the names of actions, units, and single lines of text."""

from __future__ import annotations

import math
from collections.abc import Mapping

from sauce_janitor.model.jobs import Action

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


def counted(number: int, noun: str) -> str:
    """Return `1 job`, `2 jobs`, `1,000 jobs`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
