"""Copies a whole archive to another place, verified, for a move between a disk and a bucket.

The copy has the same uuid and owner, so that the state goes on with it. It becomes an archive by
its sentinel, which is written last. A copy that was interrupted continues.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.archive.catalogue import Catalogue
from sauce_janitor.archive.disk.folders import shut
from sauce_janitor.archive.hold_mirror import MIRROR_END, MIRROR_FILE
from sauce_janitor.archive.ownership.lease import SILENT_S
from sauce_janitor.archive.ownership.lease_records import (
    LEASE_FILE,
    LOCK,
    LeaseRecord,
    leases_of,
)
from sauce_janitor.archive.ownership.owner import OWNER_FILE
from sauce_janitor.archive.pause_mirror import PAUSE_FILE, PauseMirror
from sauce_janitor.archive.proofs import Proof
from sauce_janitor.archive.storage.names import folder_name
from sauce_janitor.archive.storage.ports import SENTINEL, Place, Site, Store
from sauce_janitor.archive.storage.sites import ArchiveLocation, site_of
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError, LeaseError, RefusedError

UNFINISHED: Final = ".sauce-janitor-copy"
"""The small file that marks a copy without a sentinel, with the uuid of its source."""
_LARGEST: Final = 256 * 2**20
_AT_ONCE: Final = 4
_BATCH: Final = 64


@dataclass(slots=True)
class ArchiveCopy:
    """What was copied, and how many jobs were there already.

    `refused` names the jobs that were left out because they do not match their receipts.
    """

    jobs: int = 0
    there: int = 0
    files: int = 0
    size_bytes: int = 0
    refused: list[str] = field(default_factory=list)


def copy_archive(
    source: Catalogue,
    target: ArchiveLocation,
    *,
    from_: ArchiveLocation,
    step: Callable[[int], None] = lambda _: None,
) -> ArchiveCopy:
    """Copy every job to `target`, verify it there, and make it an archive.

    Raises RefusedError unless the source is paused, for a run could change it meanwhile, and where
    the target is a copy that is in use already; LeaseError while a run that began before the pause
    still works; ArchiveUnusableError where the target is anything else than empty or a copy of this
    archive.
    """
    if PauseMirror(from_).paused() is None:
        raise RefusedError(
            f"the archive {source.root.at()} is not paused, so a run could change it during the "
            "copy: run `sauce-janitor pause` first. Nothing was copied"
        )
    leases = _leases_at_rest(source.root)
    site, copied = site_of(target), ArchiveCopy()
    with storage_errors(f"prepare the copy in {site.at()}", of_all=True):
        store = _begun(site, source.root.uuid)
    try:
        # Its leases, holds and jobs are newer: they must not be replaced by those of the source.
        if site.has(SENTINEL) and _is_in_use(target, store, leases):
            raise RefusedError(
                f"{site.at()} is in use since it was copied: it is not paused, or a run worked "
                "there. Nothing was copied"
            )
        work = _Copier(source, Catalogue(store), copied)
        places = source.places()
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="copy") as pool:
            while batch := list(itertools.islice(places, _BATCH)):
                for _ in pool.map(work.copy, batch):
                    step(1)
        # A copy without some jobs would count as their archive.
        if not copied.refused:
            # A run that had looked for a pause before there was one.
            if _leases_at_rest(source.root) != leases:
                raise LeaseError("a run worked on the archive during the copy: copy again")
            with storage_errors(f"write to {site.at()}", of_all=True):
                _seal(source.root, store, site)
    finally:
        store.close()
    return copied


def _leases_at_rest(root: Store) -> tuple[LeaseRecord, ...]:
    """Return all leases. Raises LeaseError while a run works: a pause lets it end its step."""
    found = leases_of(root)
    for lease in found:
        name = LEASE_FILE + folder_name(lease.account)
        if not lease.released and _is_held(root, name):
            raise LeaseError(
                f"{lease} still works on account {lease.account}: copy when it has ended"
            )
    return found


def _is_held(root: Store, name: str) -> bool:
    with storage_errors(f"use the lock {root.at(name)}{LOCK}", of_all=True):
        try:
            lock = root.lock(name + LOCK)
        except BlockingIOError:
            return True
        if lock >= 0:
            shut(lock)
        # Without locks between machines, a holder shows that it is alive.
        return not root.locks_reach_all and root.age_s(name, name + LOCK) < SILENT_S


def _is_in_use(target: ArchiveLocation, store: Store, leases: tuple[LeaseRecord, ...]) -> bool:
    fences = {lease.account: lease.fence for lease in leases}
    newer = any(each.fence > fences.get(each.account, 0) for each in leases_of(store))
    return newer or PauseMirror(target).paused() is None


def _begun(site: Site, uuid: str) -> Store:
    if site.has(SENTINEL):
        return site.open(known_uuid=uuid, make=False)
    site.make()
    if site.has(UNFINISHED):
        with site.files() as files:
            found = json.loads(files.read(UNFINISHED, at_most=4096)).get("uuid")
        if found != uuid:
            raise ArchiveUnusableError(f"{site.at()} has an unfinished copy of another archive")
    elif not site.is_new():
        raise ArchiveUnusableError(
            f"{site.at()} is not a copy of this archive and not empty: name an empty place"
        )
    else:
        with site.files() as files:
            files.write(UNFINISHED, json.dumps({"uuid": uuid}).encode(), replaces=False)
    return site.unsealed(uuid)


class _Copier:
    """Copies single jobs, for several threads."""

    def __init__(self, source: Catalogue, target: Catalogue, copied: ArchiveCopy) -> None:
        self._source, self._target, self._copied = source, target, copied

    def copy(self, place: Place) -> None:
        """Copy a job, unless the target has it whole; verify it there."""
        proof, copied = self._source.prove(place), self._copied
        if proof.findings:
            copied.refused.append(str(proof.findings[0]))
            return
        if self._is_there(place, proof):
            copied.there += 1
            return
        with (
            storage_errors(f"copy {'/'.join(place)}"),
            self._source.root.folder(place) as folder,
        ):
            self._target.root.add_job(place, folder, _paths(proof, set(folder.files())))
        written = self._target.prove(place)
        if written.findings or written.receipts != proof.receipts:
            detail = str(written.findings[0]) if written.findings else f"{place[-1]} differs"
            raise ArchiveError(f"the copy in {self._target.root.at()} is damaged: {detail}")
        copied.jobs += 1
        copied.files += proof.files
        copied.size_bytes += proof.size_bytes

    def _is_there(self, place: Place, proof: Proof) -> bool:
        if not self._target.receipts(place):
            return False
        there = self._target.prove(place)
        return (there.findings, there.receipts, there.records) == (
            (),
            proof.receipts,
            proof.records,
        )


def _paths(proof: Proof, there: set[str]) -> list[str]:
    """Return the files of a job in the order in which they are copied: receipts last."""
    stored: dict[str, None] = {}
    for receipt in proof.receipts:
        stored |= dict.fromkeys(file.file for file in receipt.document.files)
    return [
        *(path for path in stored if path in there),
        *(each.file for each in proof.records),
        *(each.file for each in proof.receipts),
    ]


def _seal(source: Store, target: Store, site: Site) -> None:
    """Copy the small files, and last the sentinel: from then on it is an archive."""
    names = source.names()
    for name in names:
        is_lease = name.startswith(LEASE_FILE) and f"{name}{LOCK}" in names
        is_mirror = name.startswith(MIRROR_FILE) and name.endswith(MIRROR_END)
        if is_lease or is_mirror or name in {OWNER_FILE, PAUSE_FILE}:
            _copy_small(source, target, name)
        if is_lease and (lock := target.lock(name + LOCK)) >= 0:
            shut(lock)
    if not site.has(SENTINEL):
        target.write(SENTINEL, source.read(SENTINEL, at_most=_LARGEST), replaces=False)
    target.remove(UNFINISHED)


def _copy_small(source: Store, target: Store, name: str) -> None:
    data = source.read(name, at_most=_LARGEST)
    try:
        # Also so that a bucket knows what is replaced.
        there: bytes | None = target.read(name, at_most=_LARGEST)
    except FileNotFoundError:
        there = None
    if there != data:
        target.write(name, data, replaces=True)
