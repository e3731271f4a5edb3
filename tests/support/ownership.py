"""Two states on one archive."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.commands import Commands

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: 1d, delete_job: 10d}}
"""


def switch_state(desk: Commands, to: Path | None = None) -> None:
    """Another machine's state from now on: a new one, or a copy."""
    desk.state.close()
    desk._state.clear()
    for path in desk.folder.glob("state.db*"):
        path.unlink()
    if to is not None:
        shutil.copy(to, desk.folder / "state.db")
