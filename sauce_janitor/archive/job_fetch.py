"""Gathering: all that one pass wants of a job, from Sauce Labs into the folder aside, with as few
requests as it takes.
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
from sauce_janitor.archive.disk.folders import disk_errors, open_folder, shut, write_all
from sauce_janitor.archive.disk.names import file_names
from sauce_janitor.archive.receipts import StoredFile
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

_LONGEST_WHY: Final = 400
_NO_BUNDLE = (AnswerError, ForbiddenError, SourceUnavailableError)
"""What asking for a bundle may end with while its files can still be had one by one."""


_OF_A_FILE = (AnswerError, ArchiveError)
"""What asking for a file may end with that is about this file alone."""
_PERHAPS_OF_A_FILE = (ForbiddenError, NotReadyError, SourceUnavailableError)
"""The same, where another file of the job came; else it is about the job, the owner or Sauce Labs
as a whole.
"""
_UNANSWERED: Final = 2
"""After so many files in a row without an answer the rest of the job is not asked for: it is not
the files.
"""
_LONGEST_STREAK: Final = 50
_LONGEST_STREAK_S: Final = 180
BELIEVED_AFTER_S: Final = 86_400
"""What reads like somebody else's answer is believed when the same bytes come again so much
later.
"""


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What to fetch of one job: the names wanted, in order, and all that are listed; `url_of` says
    where each comes from.

    `missing` are the files that earlier passes could not have, by name.
    """

    wanted: Sequence[str]
    listed: Sequence[str]
    fetch: Fetch
    url_of: Callable[[str], str]
    missing: Mapping[str, MissingFile] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FetchedJob:
    """What came, not yet durable, and what could not be had; both in the order of the errand.

    `remarks` (name, why) tell what was odd on the way.
    """

    files: tuple[StoredFile, ...] = ()
    missing: tuple[MissingFile, ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()


class JobFetcher:
    """Fetches for one archive; several threads may, each for its own job. `now` gives epoch
    seconds.
    """

    def __init__(
        self, allowance: Callable[[], ByteAllowance], now: Callable[[], int], *, compress: bool
    ) -> None:
        self._new_allowance, self._now, self._compress = allowance, now, compress
        self._offer = BundleUse()

    def gather(self, errand: FetchRequest, folder: int, below: str) -> FetchedJob:
        """Fetch all that can be had into the new folder `below` in `folder`, not yet durable.

        A file that cannot be had does not hold back the others. Raises what is about more than one
        file: ArchiveUnusableError, and what `fetch` raises of the job, the owner or Sauce Labs as a
        whole.
        """
        if not errand.wanted:
            return FetchedJob()
        with disk_errors("make a folder for assets"):
            os.mkdir(below, 0o700, dir_fd=folder)
            assets = open_folder(folder, below)
        try:
            pass_ = _Pass(errand, assets, self._slots(errand.wanted, assets), self._new_allowance())
            came = self._bundled(pass_, folder)
            missing = _one_by_one(pass_, came, self._now)
            at = self._now()
            files = tuple(
                self._stored(name, below, pass_.slots[name], came[name], at)
                for name in errand.wanted
                if name in came
            )
        finally:
            shut(assets)
        if not files:
            with disk_errors("remove an empty folder"):
                os.rmdir(below, dir_fd=folder)
        lacking = tuple(missing[name] for name in errand.wanted if name in missing)
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

    def _bundled(self, pass_: _Pass, folder: int) -> dict[str, tuple[FetchedAsset, str]]:
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
            differs = pass_.difference(fetched)
        except ArchiveUnusableError:
            raise
        except (*_NO_BUNDLE, ArchiveError):
            pass_.forget(shots)
            self._offer.failed()
            return {}
        if differs is not None:
            pass_.forget(shots)
            self._offer.lied()
            pass_.remarks.append((BUNDLE, differs))
            return {}
        self._offer.worked()
        return {name: (each, url) for name, each in fetched.items()}

    @staticmethod
    def _stored(
        name: str, below: str, slot: AssetSlot, came: tuple[FetchedAsset, str], at: int
    ) -> StoredFile:
        fetched, url = came
        path = f"{below}/{slot.file}"
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
    errand: FetchRequest
    assets: int
    slots: dict[str, AssetSlot]
    allowance: ByteAllowance
    remarks: list[tuple[str, str]] = field(default_factory=list)

    def difference(self, fetched: dict[str, FetchedAsset]) -> str | None:
        """How a bundle's pictures differ from the single files, by a sample; None where they do
        not, or none can be had.
        """
        for name in sampled(tuple(fetched), self.errand.url_of(BUNDLE)):
            with suppress(AnswerError):
                if hash_of(self.errand.fetch, name, self.allowance) != (
                    fetched[name].bytes,
                    fetched[name].sha256,
                ):
                    return f"its {name!r:.120} is not the single file: the single files are stored"
        return None

    def unpack(self, spool: int, size: int, shots: Sequence[str]) -> dict[str, FetchedAsset]:
        """Write the wanted entries of the bundle in `spool` to their files."""
        came = {}
        with os.fdopen(os.dup(spool), "rb") as stored:
            bundle = Bundle(stored, size, self.errand.listed)
            try:
                for name in shots:
                    if name in bundle.names:
                        with AssetWriter(name, self.slots[name], self.allowance) as incoming:
                            for piece in bundle.read(name):
                                incoming.write(piece)
                            fetched, judgement = incoming.end(None)
                        if judgement.trust >= TrustLevel.TWICE:
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


class _Streak:
    """Files in a row that could not be had. After so many, or so long, it is hardly the files."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self.end()

    def end(self) -> None:
        """A file came."""
        self._began, self._files, self._unanswered = self._now(), 0, 0

    def add(self, wrong: JanitorError) -> None:
        """A file did not come."""
        self._files += 1
        self._unanswered += isinstance(wrong, SourceUnavailableError)

    @property
    def is_over(self) -> bool:
        """Whether to ask for no more files of the job in this pass."""
        too_long = self._files > 0 and self._now() - self._began > _LONGEST_STREAK_S
        return self._files >= _LONGEST_STREAK or self._unanswered >= _UNANSWERED or too_long


def _one_by_one(
    pass_: _Pass, came: dict[str, tuple[FetchedAsset, str]], now: Callable[[], int]
) -> dict[str, MissingFile]:
    """Fetch what has not come yet, last what failed last time; returns what could not be had."""
    errand, missing = pass_.errand, dict[str, MissingFile]()
    streak, perhaps = _Streak(now), list[SourceError]()
    for name in sorted(errand.wanted, key=lambda name: _was_asked_for(errand.missing.get(name))):
        if name in came:
            continue
        if streak.is_over:
            missing[name] = errand.missing.get(name) or MissingFile(name, NOT_ASKED, now())
            continue
        vouched = _vouched(errand.missing.get(name), now())
        try:
            fetched = fetch_to_file(
                errand.fetch, name, pass_.slots[name], pass_.allowance, vouched=vouched
            )
        except ArchiveUnusableError:
            raise
        except (*_OF_A_FILE, *_PERHAPS_OF_A_FILE) as wrong:
            if _is_of_the_disk(wrong):
                raise
            missing[name] = _not_had(pass_, name, now(), wrong)
            streak.add(wrong)
            if isinstance(wrong, _PERHAPS_OF_A_FILE):
                perhaps.append(wrong)
        else:
            came[name] = fetched, errand.url_of(name)
            streak.end()
    if perhaps and not came:
        raise perhaps[0]
    return missing


def _is_of_the_disk(wrong: JanitorError) -> bool:
    """Whether our own disk refused: no file is missing at Sauce Labs then, but for one that is too
    large for it.
    """
    cause = wrong.__cause__
    return (
        isinstance(wrong, ArchiveError)
        and isinstance(cause, OSError)
        and cause.errno != errno.EFBIG
    )


def _was_asked_for(before: MissingFile | None) -> bool:
    return before is not None and before.was_asked_for


def _vouched(before: MissingFile | None, at: int) -> str | None:
    """The SHA-256 of what came in place of a file at least a day ago."""
    if before is None or before.came_at is None or at - before.came_at < BELIEVED_AFTER_S:
        return None
    return before.sha256


def _not_had(pass_: _Pass, name: str, at: int, wrong: Exception) -> MissingFile:
    """Put away what was written of a file, and say why it is missing."""
    pass_.forget([name])
    before = pass_.errand.missing.get(name)
    sha256 = wrong.sha256 if isinstance(wrong, UntrustedBodyError) else None
    came_at = None if sha256 is None else at
    if before is not None and sha256 is not None and before.sha256 == sha256:
        came_at = before.came_at
    since = before.since if before is not None and before.was_asked_for else at
    return MissingFile(name, f"{wrong}"[:_LONGEST_WHY], since, sha256, came_at)


def _nameless_file(folder: int) -> int:
    """A file that is gone when it is closed, however this process ends."""
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
            with disk_errors("write the screenshots"):
                write_all(spool, piece)
    return length
