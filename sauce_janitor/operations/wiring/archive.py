"""Opens an account's archive for the state that owns it, and adapts it to what execution asks for.
Nothing is decided here.
"""

from __future__ import annotations

from sauce_janitor import archive, config
from sauce_janitor.errors import RefusedError
from sauce_janitor.execute.ports import Fetch
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.jobs import (
    AssetListing,
    Job,
    JobDocument,
    JobId,
    Owner,
)
from sauce_janitor.model.stored_jobs import ReadBack, StoredJob, StoreReason
from sauce_janitor.operations.wiring.archive_claims import claimant
from sauce_janitor.operations.wiring.pauses import pause_if_new
from sauce_janitor.operations.wiring.read_backs import CheckedCopies
from sauce_janitor.state import State


def refuse_foreign(settings: config.ArchiveConfig, state: State) -> None:
    """Raise RefusedError where the archive belongs to another state. For commands that take no
    lease but lift a protection.
    """
    known = state.identity.archive_uuid(str(settings.location))
    with archive.Catalogue.open(settings.location, known_uuid=known) as catalogue:
        owner = archive.read_owner(catalogue.root)
    if owner is not None and owner.instance != state.identity.instance_id:
        raise RefusedError(archive.foreign(str(settings.location), owner))


def open_archive(
    settings: config.ArchiveConfig, account: str, state: State, *, run_id: str = ""
) -> archive.Archive:
    """Open the account's archive for a run that takes the lease there. The state records its id
    when it is created.

    Raise ArchiveUnusableError when it cannot be used, RefusedError when it is another state's,
    LeaseError when another run works there.
    """
    path = str(settings.location)
    # A state that may have lost its journal must not go on as if nothing had happened.
    pause_if_new(state, settings.location)
    floor = archive.DiskReserve(
        percent=settings.min_free_percent or 0.0, bytes=settings.min_free_bytes or 0
    )
    opened = archive.Archive.open(
        settings.location,
        account=state.accounts.key(account),
        known_uuid=state.identity.archive_uuid(path),
        settings=archive.WriteSettings(
            verify=settings.verify, min_free=floor, compress=settings.compress
        ),
        claimant=claimant(state, run_id=run_id),
    )
    try:
        state.identity.remember_archive(path, opened.uuid)
    # Release the archive's lock, whatever the error was; it is raised again.
    except BaseException:
        opened.close()
        raise
    return opened


class RunArchive:
    """The archive as execution asks for it (`execute.ports.ArchivePort`), for one run."""

    def __init__(
        self, opened: archive.Archive, copies: CheckedCopies, *, run_id: str, base_url: str
    ) -> None:
        self._archive, self._copies, self._run_id, self._base_url = opened, copies, run_id, base_url

    def archived(self, job: Job, /) -> StoredJob | None:
        return self._archive.archived(job)

    def store(
        self,
        document: JobDocument,
        listing: AssetListing,
        selection: Selection,
        fetch: Fetch,
        /,
        *,
        why: StoreReason,
    ) -> StoredJob:
        origin = archive.StoreOrigin(
            why.policy,
            self._run_id,
            self._base_url,
            purged=why.purged,
            restores=why.deletes,
            emptied=why.emptied,
        )
        self._copies.check(document.job)
        stored = self._archive.store(document, listing, selection, fetch, origin)
        # Archiving has read every byte: the delete that follows need not read it again.
        if stored.read_back:
            self._copies.remember(document.job.id, stored.sha256)
        return stored

    def read_back(self, owner: Owner, job_id: JobId, /) -> ReadBack:
        return self._copies.read_back(owner, job_id)

    def check(self) -> None:
        self._archive.check()
