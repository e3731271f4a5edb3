"""Fetches all that one pass wants of a job into the staging folder, with few requests.

This is one module, although long: the bundle of screenshots and the single files share one pass and
decide together which files are missing.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.archive.asset_fetch import (
    AssetSlot,
    AssetWriter,
    ByteAllowance,
    Fetch,
    FetchedAsset,
    UntrustedBodyError,
    fetch_to_file,
    hash_of,
)
from sauce_janitor.archive.content.compression import ENDING, is_packable
from sauce_janitor.archive.content.probe import TrustLevel
from sauce_janitor.archive.content.screenshots import BUNDLE, Bundle, BundleUse, in_bundle, sampled
from sauce_janitor.archive.disk.folders import open_folder, shut, write_all
from sauce_janitor.archive.receipts import StoredFile
from sauce_janitor.archive.storage.names import file_names
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import (
    AnswerError,
    ArchiveError,
    ArchiveUnusableError,
    ForbiddenError,
    JanitorError,
    NotReadyError,
    SourceError,
    SourceUnavailableError,
)
from sauce_janitor.model.jobs import NOT_ASKED, MissingFile
from sauce_janitor.model.safety_numbers import DAY_S

_LONGEST_WHY: Final = 400
_BUNDLE_ERRORS = (AnswerError, ForbiddenError, SourceUnavailableError)
"""Errors of a bundle after which its files can still be fetched one by one."""
_FILE_ERRORS = (AnswerError, ArchiveError)
"""Errors of a file that are about this file alone."""
_PERHAPS_FILE_ERRORS = (ForbiddenError, NotReadyError, SourceUnavailableError)
"""The same where another file of the job came; else about the job, the owner or Sauce Labs."""
_UNANSWERED: Final = 2
"""After so many files in a row without an answer, the rest of the job is not asked for."""
_LONGEST_STREAK: Final = 50
_LONGEST_STREAK_S: Final = 180
Take = Callable[[str, int, str], str]
"""Takes a complete file (its path beside the receipt, length, SHA-256), and returns its path in the
archive.
"""
BELIEVED_AFTER_S: Final = DAY_S
"""What reads like another answer is believed when the same bytes come again so much later."""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What to fetch of one job.

    `wanted` are the names to fetch, in order; `listed` are all names of the job; `url_of` tells
    where each comes from. `missing` are the files that earlier passes could not fetch, by name.
    """

    wanted: Sequence[str]
    listed: Sequence[str]
    fetch: Fetch
    url_of: Callable[[str], str]
    missing: Mapping[str, MissingFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FetchedJob:
    """What came, not durable yet, and what could not be fetched; both in the order of the request.

    `remarks` (name, why) tell what was unusual on the way.
    """

    files: tuple[StoredFile, ...] = ()
    missing: tuple[MissingFile, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()


class JobFetcher:
    """Fetches for one archive. Several threads may use it, each for its own job.

    `now` returns epoch seconds UTC.
    """

    def __init__(
        self, allowance: Callable[[], ByteAllowance], now: Callable[[], int], *, compress: bool
    ) -> None:
        self._new_allowance, self._now, self._compress = allowance, now, compress
        self._bundles = BundleUse()

    def fetch(
        self,
        request: FetchRequest,
        folder: int,
        below: str,
        *,
        take: Take,
    ) -> FetchedJob:
        """Fetch all that can be fetched into the new folder `below` in `folder`; it is not durable
        yet. `take` gets each file as soon as it is complete.

        A file that cannot be fetched does not hold back the others. Raises what is about more than
        one file: ArchiveUnusableError, and what `fetch` raises about the job, the owner or Sauce
        Labs.
        """
        if not request.wanted:
            return FetchedJob()
        with storage_errors("make a folder for assets"):
            os.mkdir(below, 0o700, dir_fd=folder)
            assets = open_folder(folder, below)
        try:
            pass_ = _Pass(
                request,
                assets,
                self._slots(request.wanted, assets),
                self._new_allowance(),
                below,
                take,
            )
            came = self._fetch_bundle(pass_, folder)
            missing = _one_by_one(pass_, came, self._now)
            at = self._now()
            files = tuple(
                self._stored(name, pass_.paths[name], came[name], at)
                for name in request.wanted
                if name in came
            )
        finally:
            shut(assets)
        if not files:
            with storage_errors("remove an empty folder"):
                os.rmdir(below, dir_fd=folder)
        lacking = tuple(missing[name] for name in request.wanted if name in missing)
        return FetchedJob(files, lacking, tuple(pass_.remarks))

    def _slots(self, wanted: Sequence[str], assets: int) -> dict[str, AssetSlot]:
        files = file_names(wanted)
        taken = {file.lower() for file in files.values()}
        slots = {}
        for name, file in files.items():
            is_packed = (
                self._compress and is_packable(name) and (file + ENDING).lower() not in taken
            )
            slots[name] = AssetSlot(assets, file + ENDING if is_packed else file, is_packed)
        return slots

    def _fetch_bundle(self, pass_: _Pass, folder: int) -> dict[str, tuple[FetchedAsset, str]]:
        """Return what one request brings; nothing where it is not offered or cannot be trusted."""
        shots = in_bundle(pass_.request.wanted, pass_.request.listed)
        # One request for a bundle must save some.
        if not shots or not self._bundles.is_worth_asking:
            return {}
        url = pass_.request.url_of(BUNDLE)
        try:
            with storage_errors("make a file for the screenshots"):
                spool = _nameless_file(folder)
            try:
                size = _receive(pass_.request.fetch, spool, self._new_allowance())
                fetched = pass_.unpack(spool, size, shots)
            finally:
                os.close(spool)
            differs = pass_.difference(fetched)
        # Our own disk failed: fetching one by one would fail too.
        except ArchiveUnusableError:
            raise
        # The bundle is missing or broken: its files are fetched one by one.
        except (*_BUNDLE_ERRORS, ArchiveError):
            pass_.forget(shots)
            self._bundles.failed()
            return {}
        # The bundle is well formed but has other pictures: no further bundle is believed.
        if differs is not None:
            pass_.forget(shots)
            self._bundles.differed()
            pass_.remarks.append((BUNDLE, differs))
            return {}
        self._bundles.worked()
        for name, each in fetched.items():
            pass_.take(name, each)
        return {name: (each, url) for name, each in fetched.items()}

    @staticmethod
    def _stored(name: str, path: str, came: tuple[FetchedAsset, str], at: int) -> StoredFile:
        fetched, url = came
        return StoredFile(
            name,
            path,
            fetched.bytes,
            fetched.sha256,
            at,
            url,
            fetched.content_type,
            fetched.packed,
            fetched.odd,
        )


@dataclass(frozen=True, slots=True)
class _Pass:
    request: FetchRequest
    assets: int
    slots: dict[str, AssetSlot]
    allowance: ByteAllowance
    below: str
    taker: Take
    remarks: list[tuple[str, str]] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, fetched: FetchedAsset) -> None:
        """Give a complete file away; remember its path in the archive."""
        on_disk = fetched.packed or fetched
        path = f"{self.below}/{self.slots[name].file}"
        self.paths[name] = self.taker(path, on_disk.bytes, on_disk.sha256)

    def difference(self, fetched: dict[str, FetchedAsset]) -> str | None:
        """Return how a bundle's pictures differ from the single files, by a sample.

        None where they do not differ, or where no single file can be fetched.
        """
        for name in sampled(tuple(fetched), self.request.url_of(BUNDLE)):
            with suppress(AnswerError):
                if hash_of(self.request.fetch, name, self.allowance) != (
                    fetched[name].bytes,
                    fetched[name].sha256,
                ):
                    return f"its {name!r:.120} is not the single file: the single files are stored"
        return None

    def unpack(self, spool: int, size: int, shots: Sequence[str]) -> dict[str, FetchedAsset]:
        """Write the wanted entries of the bundle in `spool` to their files."""
        came = {}
        with os.fdopen(os.dup(spool), "rb") as stored:
            bundle = Bundle(stored, size, self.request.listed)
            try:
                for name in shots:
                    if name in bundle.names:
                        with AssetWriter(name, self.slots[name], self.allowance) as writer:
                            for piece in bundle.read(name):
                                writer.write(piece)
                            fetched, result = writer.end(None)
                        if result.trust >= TrustLevel.TWICE:
                            raise ArchiveError(f"{BUNDLE}: {name!r:.120}: {result.why}")
                        came[name] = fetched
            finally:
                bundle.close()
        if not came:
            raise ArchiveError(f"{BUNDLE} has no screenshot that is wanted")
        return came

    def forget(self, shots: Sequence[str]) -> None:
        """Remove what was written of files that are not to be trusted."""
        with storage_errors("remove the files of an untrusted bundle"):
            for name in shots:
                with suppress(FileNotFoundError):
                    os.unlink(self.slots[name].file, dir_fd=self.assets)


class _FailureStreak:
    """Counts files in a row that could not be fetched, to tell when the files are not the
    reason.
    """

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.end()

    def end(self) -> None:
        """Start again: a file came."""
        self._began, self._files, self._unanswered = self._now(), 0, 0

    def add(self, error: JanitorError) -> None:
        """Count a file that did not come."""
        self._files += 1
        self._unanswered += isinstance(error, SourceUnavailableError)

    @property
    def is_over(self) -> bool:
        """Tell whether to ask for no more files of the job in this pass."""
        too_long = self._files > 0 and self._now() - self._began > _LONGEST_STREAK_S
        return self._files >= _LONGEST_STREAK or self._unanswered >= _UNANSWERED or too_long


def _one_by_one(
    pass_: _Pass, came: dict[str, tuple[FetchedAsset, str]], now: Callable[[], int]
) -> dict[str, MissingFile]:
    """Fetch what has not come yet, last what failed last time; return what could not be fetched."""
    request, missing = pass_.request, dict[str, MissingFile]()
    streak, perhaps = _FailureStreak(now), list[SourceError]()
    for name in sorted(request.wanted, key=lambda name: _failed_before(request.missing.get(name))):
        if name in came:
            continue
        # Too many failures in a row: it is hardly these files, so the others wait for another run.
        if streak.is_over:
            missing[name] = request.missing.get(name) or MissingFile(name, NOT_ASKED, now())
            continue
        vouched = _vouched(request.missing.get(name), now())
        try:
            fetched = fetch_to_file(
                request.fetch, name, pass_.slots[name], pass_.allowance, vouched=vouched
            )
        except ArchiveUnusableError:
            raise
        except (*_FILE_ERRORS, *_PERHAPS_FILE_ERRORS) as error:
            if _is_disk_error(error):
                raise
            missing[name] = _missing_file(pass_, name, now(), error)
            streak.add(error)
            if isinstance(error, _PERHAPS_FILE_ERRORS):
                perhaps.append(error)
        else:
            pass_.take(name, fetched)
            came[name] = fetched, request.url_of(name)
            streak.end()
    # No file came at all, so the error is about more than one file.
    if perhaps and not came:
        raise perhaps[0]
    return missing


def _is_disk_error(error: JanitorError) -> bool:
    """Tell whether our own disk refused the file. Then no file is missing at Sauce Labs.

    A file that is too large for our disk is the exception: it counts as missing.
    """
    cause = error.__cause__
    return (
        isinstance(error, ArchiveError)
        and isinstance(cause, OSError)
        and cause.errno != errno.EFBIG
    )


def _failed_before(before: MissingFile | None) -> bool:
    return before is not None and before.was_asked_for


def _vouched(before: MissingFile | None, at: int) -> str | None:
    """Return the SHA-256 of what came in place of a file at least a day ago."""
    if before is None or before.came_at is None or at - before.came_at < BELIEVED_AFTER_S:
        return None
    return before.sha256


def _missing_file(pass_: _Pass, name: str, at: int, error: Exception) -> MissingFile:
    """Remove what was written of a file, and return why it is missing."""
    pass_.forget([name])
    before = pass_.request.missing.get(name)
    sha256 = error.sha256 if isinstance(error, UntrustedBodyError) else None
    came_at = None if sha256 is None else at
    # The same bytes as before: the day that they need counts from their first arrival.
    if before is not None and sha256 is not None and before.sha256 == sha256:
        came_at = before.came_at
    since = before.since if before is not None and before.was_asked_for else at
    return MissingFile(name, f"{error}"[:_LONGEST_WHY], since, sha256, came_at)


def _nameless_file(folder: int) -> int:
    """Open a file without a name: it is gone when it is closed, however this process ends."""
    name = ".spool"
    file = os.open(
        name,
        os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC,
        0o600,
        dir_fd=folder,
    )
    os.unlink(name, dir_fd=folder)
    return file


def _receive(fetch: Fetch, spool: int, allowance: ByteAllowance) -> int:
    length = 0
    with fetch(BUNDLE) as body:
        for piece in body:
            length += len(piece)
            allowance.take(BUNDLE, length, len(piece))
            with storage_errors("write the screenshots"):
                write_all(spool, piece)
    return length
