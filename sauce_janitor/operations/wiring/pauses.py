"""The pause, in the state and mirrored in the archive's root. A pause in either place stops
everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sauce_janitor import archive
from sauce_janitor.archive import ArchiveLocation, Catalogue, MirroredPause, PauseMirror
from sauce_janitor.errors import ArchiveUnusableError, JanitorError, RefusedError
from sauce_janitor.state import Pause, State

_OURSELVES = "sauce-janitor"


class Pauses:
    """The pause of a state and of its archive (`execute.ports.SwitchPort`); both are read again
    each time.
    """

    def __init__(self, state: State, path: ArchiveLocation) -> None:
        self._state, self._path, self._mirror = state, path, PauseMirror(path)

    def paused(self) -> Pause | None:
        """Return the pause in force. One in the archive that cannot be read counts. Raise
        StateError.
        """
        found = self._state.switch.paused()
        # No need to read a disk that may be away.
        if found is not None:
            return found
        try:
            there = self._mirror.paused()
        except ArchiveUnusableError as error:
            return Pause(
                _OURSELVES,
                f"the archive cannot say whether it is paused ({error})",
                int(time.time()),
            )
        return None if there is None else Pause(there.by, there.reason, there.at)

    def is_paused(self) -> bool:
        """Return whether anything is paused now."""
        return self.paused() is not None

    def refuse(self, what: str = "changed") -> None:
        """Raise RefusedError while paused. A new state beside a used archive pauses itself
        first.
        """
        pause_if_new(self._state, self._path)
        if pause := self.paused():
            raise RefusedError(
                f"paused by {pause.by}: {pause.reason}. Nothing was {what}",
                "`sauce-janitor resume` lifts it",
            )

    def resume(self, *, by: str, at: int) -> None:
        """Lift the pause in both places, in the archive first. After ArchiveUnusableError nothing
        is lifted.
        """
        # The archive first: when this fails, the state still says paused.
        self._mirror.resume(is_known=self._state.identity.archive_uuid(str(self._path)) is not None)
        self._state.switch.resume(by=by, at=at)


def pause_in_force(state: State, path: ArchiveLocation) -> Pause | None:
    """Return the pause that a resume would lift, None for none. Raise StateError."""
    # Otherwise a new state beside a used archive would be "not paused" here, and would pause itself
    # in the next run.
    pause_if_new(state, path)
    return Pauses(state, path).paused()


@dataclass(frozen=True, slots=True)
class Stopped:
    """The result of a pause: whether it is new in the state, and the errors that kept it from being
    in both places.
    """

    fresh: bool
    troubles: tuple[JanitorError, ...]


def pause(
    opened: Callable[[], AbstractContextManager[State]],
    archive_path: ArchiveLocation,
    wanted: MirroredPause,
) -> Stopped:
    """Pause in the state that `opened` gives, and in the archive; either one stops everything.
    Raise JanitorError when both fail.

    `opened` may raise JanitorError. A process that has the state open gives that one.
    """
    troubles: list[JanitorError] = []
    fresh = is_known = False
    try:
        with opened() as state:
            fresh = state.switch.pause(by=wanted.by, reason=wanted.reason, at=wanted.at)
            is_known = state.identity.archive_uuid(str(archive_path)) is not None
    # A damaged state must not prevent a pause.
    except JanitorError as error:
        troubles.append(error)
    try:
        PauseMirror(archive_path).pause(wanted, is_known=is_known)
    except ArchiveUnusableError as error:
        troubles.append(error)
    # One of the two places is enough to stop everything.
    if len(troubles) > 1:
        raise troubles[0]
    return Stopped(fresh, tuple(troubles))


def pause_if_new(state: State, path: ArchiveLocation) -> None:
    """Pause a state that does not know the archive at this path, if the archive has been used
    before: the old state may be lost.

    Happens once: then the state knows the archive. An archive that this state created, or that was
    moved, is not new to it. Raise StateError.
    """
    if state.identity.archive_uuid(str(path)) is not None or not archive.has_archive(path):
        return
    with Catalogue.open(path, known_uuid=None) as catalogue:
        root = catalogue.root
        owner = archive.read_owner(root)
        # Created by this state, or moved to another path: it is not new to it.
        if (
            owner is not None and owner.instance == state.identity.instance_id
        ) or state.identity.knows_archive(root.uuid):
            return
        reason = (
            f"this state is new and the archive {path} is not: if the state that was used with it"
            " is lost, restore that from a backup; to start with a new state on purpose, look at"
            " `sauce-janitor plan`, then run `sauce-janitor archive adopt` and `sauce-janitor"
            " resume`"
        )
        state.switch.pause(by=_OURSELVES, reason=reason, at=int(time.time()))
        state.identity.remember_archive(str(path), root.uuid)
