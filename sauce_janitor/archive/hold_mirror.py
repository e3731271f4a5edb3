"""The local holds of one account, mirrored in the archive's root.

A lost state therefore loses no hold. The mirror is one small file, always replaced as a whole.
While it cannot be read, every job is held: each read raises an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, Final

from sauce_janitor.archive.storage.names import folder_name
from sauce_janitor.archive.storage.ports import SmallFiles
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError
from sauce_janitor.model.jobs import JobId, job_id

MIRROR_FILE: Final = ".sauce-janitor-holds."
MIRROR_END: Final = ".json"
_FORMAT: Final = 1
_LARGEST: Final = 256 * 2**20


@dataclass(frozen=True, slots=True)
class MirroredHold:
    """A hold on one job. Times are epoch seconds UTC; `until` is the first second after it, None
    forever.
    """

    job_id: JobId
    by: str
    reason: str
    at: int
    until: int | None


class MirrorChangedError(ArchiveUnusableError):
    """Another process replaced the mirror since it was read. Nothing was written."""


class HoldMirror:
    """One account's mirror in an open archive. Raises ArchiveUnusableError."""

    def __init__(self, root: SmallFiles, account: str | None, *, file: str = "") -> None:
        """Use the mirror of the account, or of whichever account `file` belongs to."""
        self._root, self._account = root, account
        self._file = file if account is None else _file_of(account)
        self._seen: tuple[object, tuple[MirroredHold, ...]] | None = None

    def others(self, known: Iterable[str]) -> tuple[HoldMirror, ...]:
        """Return the mirrors of accounts that are not `known`: of a lost state, or of another
        one.
        """
        mine = {self._file, *map(_file_of, known)}
        with storage_errors(f"read the archive's folder {self._root.at()}", of_all=True):
            names = self._root.names()
        files = sorted(
            name
            for name in names
            if name.startswith(MIRROR_FILE) and name.endswith(MIRROR_END) and name not in mine
        )
        return tuple(HoldMirror(self._root, None, file=name) for name in files)

    def locked(self) -> AbstractContextManager[None]:
        """Keep others from replacing the mirror. Between hosts that depends on the file system."""
        return self._root.locked()

    def holds(self) -> tuple[MirroredHold, ...]:
        """Return all holds as they are now, () when there is no mirror.

        The file is read again only when it was replaced.
        """
        try:
            identity = self._root.stamp(self._file)
        except FileNotFoundError:
            # A mirror with holds was here a moment ago: somebody removed it.
            if self._seen is not None and self._seen[1]:
                raise self._unreadable("it has vanished") from None
            return ()
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from error
        if self._seen is None or self._seen[0] != identity:
            self._seen = identity, self._read()
        return self._seen[1]

    def replace(self, holds: Iterable[MirroredHold]) -> None:
        """Make these the holds: durable when this returns, and never half written."""
        plain = [asdict(hold) for hold in sorted(holds, key=lambda hold: (hold.job_id, hold.at))]
        document = {
            "what": "sauce-janitor holds",
            "format": _FORMAT,
            "account": self._account,
            "holds": plain,
        }
        text = json.dumps({**document, "sha256": _digest(plain)}, indent=1) + "\n"
        try:
            with storage_errors(f"write {self._root.at(self._file)}", of_all=True):
                self._root.write(self._file, text.encode(), replaces=True)
        except ArchiveUnusableError as error:
            # What it was made from is not what is there now.
            self._seen = None
            if isinstance(error.__cause__, FileExistsError):
                raise MirrorChangedError(
                    f"another process changed {self._root.at(self._file)} at the same time; try "
                    "again"
                ) from error
            raise
        self._seen = None

    def _read(self) -> tuple[MirroredHold, ...]:
        try:
            document = json.loads(self._root.read(self._file, at_most=_LARGEST))
            # The content says which account's mirror it is, where the file's name agrees.
            if self._account is None and _file_of(document["account"]) == self._file:
                self._account = document["account"]
            if (
                document["format"] != _FORMAT
                or document["account"] != self._account
                or document["sha256"] != _digest(document["holds"])
            ):
                raise ValueError("it was changed, or is another account's")
            return tuple(_hold(each) for each in document["holds"])
        except OSError as error:
            raise self._unreadable(error.strerror or str(error)) from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._unreadable(str(error)) from error

    def _unreadable(self, why: str) -> ArchiveError:
        return ArchiveUnusableError(
            f"the holds in {self._root.at(self._file)} cannot be read ({why}), so every job is "
            "held: restore that file. If `sauce-janitor hold list` shows all the holds there "
            "should be, move it away: the next run writes it again"
        )


def _file_of(account: str) -> str:
    return f"{MIRROR_FILE}{folder_name(account)}{MIRROR_END}"


def _hold(document: Any) -> MirroredHold:
    until = document["until"]
    if not isinstance(document["at"], int) or not isinstance(until, int | None):
        raise TypeError("a time in it is not a number")
    return MirroredHold(
        job_id(document["job_id"]),
        str(document["by"]),
        str(document["reason"]),
        document["at"],
        until,
    )


def _digest(plain: Any) -> str:
    return sha256(json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
