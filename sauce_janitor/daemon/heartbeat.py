"""The note that tells other processes on the state that a daemon is running, in which mode, and
when each account is due.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

NOTE: Final = "daemon"
EVERY_S: Final = 20
_LASTS_S: Final = 90


def written(*, at: int, pid: int, execute: bool, next_runs: Mapping[str, int]) -> str:
    """Return the text of the note."""
    mode = "execute" if execute else "dry_run"
    return json.dumps({"at": at, "pid": pid, "mode": mode, "next_runs": dict(next_runs)})


def read(note: str | None, *, now: int) -> Mapping[str, Any] | None:
    """Return what the note says (at, pid, mode, next_runs), if it was written recently; None when
    no daemon is running.
    """
    beat: Mapping[str, Any] = json.loads(note) if note else {}
    # In both directions: a note of a clock that was ahead must not count until then.
    return beat if beat and abs(now - beat["at"]) < _LASTS_S else None
