"""Gathering: all that one pass wants of a job, from Sauce Labs into the folder aside, with as few requests as it takes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from sauce_janitor.archive.bundling import BUNDLE, Bundle, Offer, in_bundle
from sauce_janitor.archive.fetching import Allowance, Fetch, Fetched, Incoming, Slot, fetch_to_file
from sauce_janitor.archive.folders import disk_errors, open_folder, write_all
from sauce_janitor.archive.naming import file_names
from sauce_janitor.archive.packing import ENDING, is_packable
from sauce_janitor.archive.probing import Trust
from sauce_janitor.archive.receipts import StoredFile
from sauce_janitor.errors import (
    AnswerError,
    ArchiveError,
    ArchiveUnusableError,
    ForbiddenError,
    SourceUnavailableError,
)

_NO_BUNDLE = (AnswerError, ForbiddenError, SourceUnavailableError)
"""What asking for a bundle may end with while its files can still be had one by one."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What to fetch of one job: the names wanted, in order, and all that are listed; `url_of` says where each comes from."""

    wanted: Sequence[str]
    listed: Sequence[str]
    fetch: Fetch
    url_of: Callable[[str], str]


class Gatherer:
    """Fetches for one archive; several threads may, each for its own job. `now` gives epoch seconds."""

    def __init__(self, allowance: Callable[[], Allowance], now: Callable[[], int], *, compress: bool) -> None:
        self._new_allowance, self._now, self._compress = allowance, now, compress
        self._offer = Offer()

    def gather(self, errand: Errand, folder: int, below: str) -> tuple[StoredFile, ...]:
        """Fetch all into the new folder `below` in `folder`, not yet durable. Raises ArchiveError and what `fetch` does."""
        if not errand.wanted:
            return ()
        with disk_errors("make a folder for assets"):
            os.mkdir(below, 0o700, dir_fd=folder)
            assets = open_folder(folder, below)
        try:
            pass_ = _Pass(errand, assets, self._slots(errand.wanted, assets), self._new_allowance())
            came = self._bundled(pass_, folder)
            for name in errand.wanted:
                if name not in came:
                    fetched = fetch_to_file(errand.fetch, name, pass_.slots[name], pass_.allowance)
                    came[name] = fetched, errand.url_of(name)
            at = self._now()
            return tuple(self._stored(name, below, pass_.slots[name], came[name], at) for name in errand.wanted)
        finally:
            os.close(assets)

    def _slots(self, wanted: Sequence[str], assets: int) -> dict[str, Slot]:
        files = file_names(wanted)
        taken = {file.lower() for file in files.values()}
        slots = {}
        for name, file in files.items():
            is_packed = self._compress and is_packable(name) and (file + ENDING).lower() not in taken
            slots[name] = Slot(assets, file + ENDING if is_packed else file, is_packed)
        return slots

    def _bundled(self, pass_: _Pass, folder: int) -> dict[str, tuple[Fetched, str]]:
        """What one request brings; nothing where it is not offered or cannot be trusted."""
        shots = in_bundle(pass_.errand.wanted, pass_.errand.listed)
        if not shots or not self._offer.stands:
            return {}
        url = pass_.errand.url_of(BUNDLE)
        try:
            with disk_errors("make a file for the screenshots"):
                spool = _nameless_file(folder)
            try:
                size = _receive(pass_.errand.fetch, spool, self._new_allowance())
                fetched = pass_.unpack(spool, size, shots)
            finally:
                os.close(spool)
        except ArchiveUnusableError:
            raise
        except (*_NO_BUNDLE, ArchiveError):
            pass_.forget(shots)
            self._offer.failed()
            return {}
        self._offer.worked()
        return {name: (each, url) for name, each in fetched.items()}

    @staticmethod
    def _stored(name: str, below: str, slot: Slot, came: tuple[Fetched, str], at: int) -> StoredFile:
        fetched, url = came
        path = f"{below}/{slot.file}"
        return StoredFile(
            name, path, fetched.bytes, fetched.sha256, at, url, fetched.content_type, fetched.packed, fetched.odd
        )


@dataclass(frozen=True, slots=True)
class _Pass:
    errand: Errand
    assets: int
    slots: dict[str, Slot]
    allowance: Allowance

    def unpack(self, spool: int, size: int, shots: Sequence[str]) -> dict[str, Fetched]:
        """Write the wanted entries of the bundle in `spool` to their files."""
        came = {}
        with os.fdopen(os.dup(spool), "rb") as stored:
            bundle = Bundle(stored, size, self.errand.listed)
            try:
                for name in shots:
                    if name in bundle.names:
                        with Incoming(name, self.slots[name], self.allowance) as incoming:
                            for piece in bundle.read(name):
                                incoming.write(piece)
                            fetched, judgement = incoming.end(None)
                        if judgement.trust >= Trust.TWICE:
                            raise ArchiveError(f"{BUNDLE}: {name!r:.120}: {judgement.why}")
                        came[name] = fetched
            finally:
                bundle.close()
        if not came:
            raise ArchiveError(f"{BUNDLE} holds no screenshot that is wanted")
        return came

    def forget(self, shots: Sequence[str]) -> None:
        """Remove what was written of a bundle that is not to be trusted."""
        with disk_errors("remove the files of an untrusted bundle"):
            for name in shots:
                with suppress(FileNotFoundError):
                    os.unlink(self.slots[name].file, dir_fd=self.assets)


def _nameless_file(folder: int) -> int:
    """A file that is gone when it is closed, however this process ends."""
    name = ".spool"
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    os.unlink(name, dir_fd=folder)
    return file


def _receive(fetch: Fetch, spool: int, allowance: Allowance) -> int:
    length = 0
    with fetch(BUNDLE) as body:
        for piece in body:
            length += len(piece)
            allowance.take(BUNDLE, length, len(piece))
            with disk_errors("write the screenshots"):
                write_all(spool, piece)
    return length
