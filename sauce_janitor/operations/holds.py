"""The local holds of one account, in the state and mirrored in the archive. A hold in either place
is in force.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain

from sauce_janitor import archive, config
from sauce_janitor.archive import Catalogue, HoldMirror, MirrorChangedError, MirroredHold
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.jobs import Job, JobId
from sauce_janitor.state import Holds, State

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class KnownHold:
    """A hold in force, and where it is known."""

    hold: MirroredHold
    in_state: bool
    in_archive: bool


class AccountHolds:
    """One account's local holds (`execute.ports.HoldsPort`). `mirror` is None where there is no
    archive yet.

    `keys` are those of the accounts that the state knows. A mirror of any other key counts, too:
    after a lost state nobody knows under which key the archive has a renamed account. Raise
    ArchiveUnusableError when a mirror cannot be read: then everything counts as held.
    """

    def __init__(
        self,
        holds: Holds,
        mirror: HoldMirror | None,
        account: str,
        now: Callable[[], int],
        keys: Collection[str] = (),
    ) -> None:
        self._holds, self._mirror, self._account, self._now, self._keys = (
            holds,
            mirror,
            account,
            now,
            keys,
        )

    def protects(self, job: Job, /) -> bool:
        """Return whether a hold is in force on the job, under any account's name. Both places are
        read again each time.
        """
        at = self._now()
        return any(
            hold.job_id == job.id for hold in self._in_archive(at)
        ) or self._holds.protects_for_any(job.id, at=at)

    def mirrored(self, *, at: int) -> frozenset[JobId]:
        """Return the jobs held at that time that the state does not hold under this account: by a
        mirror, or under another account.
        """
        others = {hold.job_id for hold in self._holds.list(at=at) if hold.account != self._account}
        return frozenset(others.union(hold.job_id for hold in self._in_archive(at)))

    def known(self, *, at: int) -> tuple[KnownHold, ...]:
        """Return every hold in force at that time, by job."""
        there, here = self._in_archive(at), self._in_state(at)
        every = sorted(there | here, key=lambda hold: (hold.job_id, hold.at, hold.reason))
        return tuple(KnownHold(hold, hold in here, hold in there) for hold in every)

    def add(self, job_ids: Collection[JobId], *, by: str, reason: str, until: int | None) -> None:
        """Hold these jobs: in the state first, then in the archive."""
        self._holds.add(self._account, job_ids, by=by, reason=reason, at=self._now(), until=until)
        self.mirror()

    def release(self, job_ids: Collection[JobId], *, by: str) -> int:
        """Release every hold on these jobs, wherever it is known, and return how many there
        were.
        """
        at, gone = self._now(), frozenset(job_ids)
        count = sum(known.hold.job_id in gone for known in self.known(at=at))
        self._holds.release(self._account, gone, by=by, at=at)
        self.mirror(without=gone)
        # A lost state leaves mirrors under keys that nobody knows: a hold there would stay for
        # ever.
        for other in self._others():
            _update(other, lambda holds: {hold for hold in holds if hold.job_id not in gone})
        return count

    def mirror(self, *, without: frozenset[JobId] = frozenset()) -> None:
        """Write to the mirror what the state and the mirror know together, except holds on the jobs
        in `without`.
        """
        if self._mirror is None:
            return

        def together(mirrored: frozenset[MirroredHold]) -> set[MirroredHold]:
            at = self._now()
            in_force = {hold for hold in mirrored if hold.until is None or at < hold.until}
            return {hold for hold in in_force | self._in_state(at) if hold.job_id not in without}

        _update(self._mirror, together)

    def _in_archive(self, at: int) -> frozenset[MirroredHold]:
        return (
            frozenset() if self._mirror is None else _in_force([self._mirror, *self._others()], at)
        )

    def _others(self) -> tuple[HoldMirror, ...]:
        return () if self._mirror is None else self._mirror.others(self._keys)

    def _in_state(self, at: int) -> frozenset[MirroredHold]:
        placed = self._holds.list(self._account, at=at)
        return frozenset(
            MirroredHold(each.job_id, each.by, each.reason, each.at, each.until) for each in placed
        )


def _update(
    mirror: HoldMirror, change: Callable[[frozenset[MirroredHold]], set[MirroredHold]]
) -> None:
    """Replace the mirror's holds by what `change` makes of them.

    A bucket has no locks, but notices that another process was faster: then it begins again.
    """
    for left in reversed(range(_ATTEMPTS)):
        with mirror.locked():
            before = frozenset(mirror.holds())
            after = change(before)
            # An unchanged file is not written: the archive's disk may be slow, or full.
            if after == before:
                return
            try:
                mirror.replace(after)
                return
            except MirrorChangedError:
                if not left:
                    raise


def _in_force(mirrors: Iterable[HoldMirror], at: int) -> frozenset[MirroredHold]:
    every = chain.from_iterable(mirror.holds() for mirror in mirrors)
    return frozenset(hold for hold in every if hold.until is None or at < hold.until)


def open_holding(
    settings: config.ArchiveConfig, account: str, state: State, *, stack: ExitStack
) -> AccountHolds:
    """Return the account's holds for reading. Where the expected archive is missing, use the state
    alone and log a warning.
    """
    path = settings.location
    known = state.identity.archive_uuid(str(path))
    mirror, key = None, state.accounts.key(account)
    # Neither known nor there: no run has used an archive yet, so none is missed.
    try:
        if known is not None or archive.has_archive(path):
            mirror = HoldMirror(
                stack.enter_context(Catalogue.open(path, known_uuid=known)).root, key
            )
    except ArchiveUnusableError as error:
        import structlog

        structlog.get_logger().warning("holds.not_mirrored", account=account, detail=str(error))
    return AccountHolds(
        state.holds, mirror, account, lambda: int(time.time()), state.accounts.keys()
    )


def open_to_change(
    settings: config.Config,
    account: config.Account,
    state: State,
    now: Callable[[], int],
    *,
    stack: ExitStack,
) -> tuple[AccountHolds, ArchiveError | None]:
    """Return the account's holds, which are mirrored in the archive; `now` returns epoch seconds.

    If the archive cannot be used, the holds are not mirrored, and the second value is the error.
    """
    # Late: a command that only lists holds loads nothing that writes.
    from sauce_janitor.operations.wiring.account_owner import admit
    from sauce_janitor.operations.wiring.archive import open_archive

    # A hold may be the first thing that a new state learns of the account.
    if account.name not in state.accounts.all():
        admit(account, state, account.credentials()[0])
    mirror, unmirrored = None, None
    try:
        mirror = stack.enter_context(open_archive(settings.archive, account.name, state)).holds
        # Read once: a mirror that cannot be read must be known before anybody is told "held".
        mirror.holds()
    except ArchiveError as error:
        mirror, unmirrored = None, error
    keys = state.accounts.keys()
    holding = AccountHolds(state.holds, mirror, account.name, now, keys)
    return holding, unmirrored


def refuse_release(settings: config.Config, state: State, unmirrored: ArchiveError | None) -> None:
    """Raise JanitorError where no hold may be released; `open_to_change` gives `unmirrored`."""
    from sauce_janitor.operations.wiring.archive import refuse_foreign

    # A hold that is released in the state alone would come back from the archive's mirror.
    if unmirrored is not None:
        raise unmirrored
    refuse_foreign(settings.archive, state)
