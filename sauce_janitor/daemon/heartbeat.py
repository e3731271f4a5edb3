"""The notes that tell other processes on the state that a daemon is running: in which mode, what it
works on, and when each account is due. Several daemons that share a state have a note each.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Final

from sauce_janitor.state import Notes

NOTE: Final = "daemon"
"""The key of the note where only one daemon uses the state."""
EXECUTE: Final = "execute"
DRY_RUN: Final = "dry_run"
EVERY_S: Final = 20
_LASTS_S: Final = 90
_FORGOTTEN_S: Final = 3600


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A daemon that was alive at `at`, in epoch seconds; on a server, by the server's clock.

    `works_on` has the accounts that it works on, `next_runs` when each account is due.
    """

    at: int
    pid: int
    mode: str
    next_runs: Mapping[str, int]
    host: str = ""
    version: str = ""
    works_on: tuple[str, ...] = field(default=())

    def text(self) -> str:
        """Return the text of the note."""
        return json.dumps(asdict(self))


def shared_note(host: str, pid: int) -> str:
    """Return a key for a daemon's note where several share the state."""
    # In containers, all may have process id 1, and the same host name with the host's network.
    return f"{NOTE}:{host}:{pid}:{secrets.token_hex(4)}"


def alive(notes: Notes, *, now: float) -> tuple[Heartbeat, ...]:
    """Return the daemons whose note was written recently, by host and process. Raise StateError."""
    found = (_read(notes.read(key)) for key in notes.starting(NOTE))
    # In both directions: a note of a clock that was ahead must not count until then.
    fresh = [beat for beat in found if beat is not None and abs(now - beat.at) < _LASTS_S]
    return tuple(sorted(fresh, key=lambda beat: (beat.host, beat.pid)))


def mode_of(beats: Collection[Heartbeat]) -> str | None:
    """Return the mode in which plans are carried out if any daemon does so; None without one."""
    modes = {beat.mode for beat in beats}
    return EXECUTE if EXECUTE in modes else next(iter(modes), None)


def next_run(beats: Iterable[Heartbeat], account: str, otherwise: int) -> int:
    """Return when the account is due by the daemons that have it on their agenda."""
    return min(
        (beat.next_runs[account] for beat in beats if account in beat.next_runs), default=otherwise
    )


def forget_old(notes: Notes, *, now: float) -> None:
    """Remove the notes of daemons that are gone for long. Raise StateError."""
    for key in notes.starting(f"{NOTE}:"):
        beat = _read(notes.read(key))
        if beat is None or abs(now - beat.at) > _FORGOTTEN_S:
            notes.forget(key)


def _read(note: str | None) -> Heartbeat | None:
    if note is None:
        return None
    found = json.loads(note)
    # A newer version may have more keys, an older one has fewer.
    known = {each.name: found[each.name] for each in fields(Heartbeat) if each.name in found}
    return Heartbeat(**{**known, "works_on": tuple(found.get("works_on", ()))})
