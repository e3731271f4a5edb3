"""Takes over an archive after a restore or a lost state. Refused while anybody works there."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass

from sauce_janitor import archive, config
from sauce_janitor.archive import ArchiveLease, Catalogue, LeaseRecord
from sauce_janitor.errors import ArchiveError, StateError
from sauce_janitor.operations.wiring.archive_claims import LeaseNotes, claimant
from sauce_janitor.operations.wiring.pauses import pause_if_new
from sauce_janitor.state import State


@dataclass(frozen=True, slots=True)
class ArchiveOwnership:
    """Who owns an archive, as seen from a state: the owner's instance id (None: nobody) and host,
    and the last use of each account.

    `is_ours`: there is nothing to take over.
    """

    owner: str | None
    host: str
    uses: tuple[LeaseRecord, ...]
    is_ours: bool


def ownership(settings: config.ArchiveConfig, state: State) -> ArchiveOwnership:
    """Return who owns the archive. Raise ArchiveUnusableError when there is none, or another one
    than the state knows.
    """
    with _opened(settings, state) as catalogue:
        return _ownership(catalogue, state)


def why_refused(settings: config.ArchiveConfig, state: State, account: str) -> str | None:
    """Return why the archive would refuse a run of the account; None where it would not, or where
    that is unknown.
    """
    try:
        with _opened(settings, state) as catalogue:
            root = catalogue.root
            owner, use = (
                archive.read_owner(root),
                archive.read_lease(root, state.accounts.key(account)),
            )
            if owner is not None and owner.instance != state.identity.instance_id:
                return archive.foreign(root.at(), owner)
            notes = LeaseNotes(state)
            if use is not None and use.word not in notes.read(root.uuid, use.account):
                return archive.stale(root.at(), account, use)
            if use is not None and not notes.has_journal(use.account, use.journal):
                return archive.behind(root.at(), account, use)
    # There is none yet, it is not mounted, or the state does not answer: other checks report that.
    except (ArchiveError, StateError):
        pass
    return None


def adopt(settings: config.ArchiveConfig, state: State, *, by: str) -> ArchiveOwnership:
    """Take over the archive, and return who owned it before.

    Raise LeaseError while a run works there, ArchiveUnusableError, and StateError.
    """
    holder = claimant(state, run_id="adopt", adopts=True)
    with _opened(settings, state) as catalogue, ExitStack() as leases:
        pause_if_new(state, settings.location)
        root, before = catalogue.root, _ownership(catalogue, state)
        # All leases at once: a live run of any account must be noticed.
        for use in before.uses:
            leases.enter_context(ArchiveLease(root, use.account, holder))
        archive.hand_over(root, state.identity.instance_id, by=by, at=int(time.time()))
        state.identity.remember_archive(str(settings.location), root.uuid)
        import structlog

        structlog.get_logger().warning(
            "archive.adopted",
            path=str(settings.location),
            uuid=root.uuid,
            by=by,
            owner_before=before.owner,
            host=before.host,
        )
    return before


def _opened(settings: config.ArchiveConfig, state: State) -> Catalogue:
    return Catalogue.open(
        settings.location, known_uuid=state.identity.archive_uuid(str(settings.location))
    )


def _ownership(catalogue: Catalogue, state: State) -> ArchiveOwnership:
    root, ours = catalogue.root, state.identity.instance_id
    owner, uses = archive.read_owner(root), archive.leases_of(root)
    notes = LeaseNotes(state)
    is_known = all(
        use.word in notes.read(root.uuid, use.account)
        and notes.has_journal(use.account, use.journal)
        for use in uses
    )
    return ArchiveOwnership(
        owner=owner.instance if owner else None,
        host=owner.host if owner else "",
        uses=uses,
        is_ours=is_known and owner is not None and owner.instance == ours,
    )
