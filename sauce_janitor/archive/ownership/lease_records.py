"""The record of an account's lease in the archive's root: who holds it, by which number and
word.
"""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from sauce_janitor.archive.ownership.owner import read_plain, write_plain
from sauce_janitor.archive.storage.names import folder_name
from sauce_janitor.archive.storage.ports import SmallFiles
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveUnusableError

LEASE_FILE: Final = ".sauce-janitor-lease."
LOCK: Final = ".lock"
_FORMAT: Final = 1
_FIND: Final = (
    "Find the one that is in use; if this one replaces it, run `sauce-janitor archive adopt`. "
    "Nothing was changed"
)
_END: Final = re.compile(r"(\d{1,18} [0-9a-f]{64})?")
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The record in the archive's root. `since` is epoch seconds UTC, `boot` identifies the
    kernel's start, `journal` is where the account's journal ended (`LeaseMemory.journal_end`).
    """

    account: str
    instance: str
    fence: int
    word: str
    run_id: str
    host: str
    boot: str
    pid: int
    since: int
    beat: int = 0
    released: bool = False
    journal: str = ""

    def __str__(self) -> str:
        return f"run {self.run_id} on {self.host}, process {self.pid}"


def write_lease(root: SmallFiles, record: LeaseRecord) -> None:
    """Replace the account's record, durably. Raises ArchiveUnusableError."""
    name = LEASE_FILE + folder_name(record.account)
    document = {"what": "sauce-janitor lease", "format": _FORMAT, **asdict(record)}
    write_plain(root, name, document)


def tidy_leases(root: SmallFiles, account: str) -> None:
    """Remove what a crash left of a record being written; only while the lock is held."""
    aside = re.compile(re.escape(LEASE_FILE + folder_name(account)) + r"\.[0-9a-f]{32}")
    with suppress(OSError):
        for name in root.names():
            if aside.fullmatch(name):
                root.remove(name)


def read_lease(root: SmallFiles, account: str) -> LeaseRecord | None:
    """Return the record of an account's lease; None where there never was one.

    Raises ArchiveUnusableError.
    """
    return _record_of(root, LEASE_FILE + folder_name(account))


def leases_of(root: SmallFiles) -> tuple[LeaseRecord, ...]:
    """Return the record of every account that ever worked in the archive.

    Raises ArchiveUnusableError.
    """
    with storage_errors(f"look into the archive {root.at()}", of_all=True):
        there = sorted(root.names())
    # By their locks: a record that is being written begins alike, with more after its name.
    locks = (name for name in there if name.startswith(LEASE_FILE) and name.endswith(LOCK))
    found = (_record_of(root, name.removesuffix(LOCK)) for name in locks)
    return tuple(record for record in found if record is not None)


def _record_of(root: SmallFiles, name: str) -> LeaseRecord | None:
    document = read_plain(root, name)
    if document is None:
        return None
    names = LeaseRecord.__dataclass_fields__.keys()
    try:
        fields: dict[str, Any] = {key: document[key] for key in names - {"journal"}}
        # Versions that recorded no end of the journal have none to compare with.
        fields["journal"] = document.get("journal", "")
        # Nobody can say what a record of a newer version means, so nothing is done on it.
        if document["format"] != _FORMAT or not isinstance(fields["fence"], int):
            raise ValueError("another format")
        if not _END.fullmatch(fields["journal"]):
            raise ValueError("no end of a journal")
        return LeaseRecord(**fields)
    except (ValueError, KeyError, TypeError) as error:
        raise ArchiveUnusableError(
            f"{root.at(name)} cannot be read: it was changed or cut"
        ) from error


def boot_id() -> str:
    """Return the id of this kernel's start; where the system has none, the host's name."""
    try:
        return _BOOT_ID.read_text().strip()
    # Another system than Linux: the host is then all that tells two machines apart.
    except OSError:
        return f"host {socket.gethostname()}"


def stale(where: str, account: str, found: LeaseRecord) -> str:
    """Return why a state that does not know the lease's word may not continue, and what to do."""
    return (
        f"the archive {where} was last used for account {account} by {found}, and this state has "
        "no record of that: it is an older copy, or one of two copies, of the state that has. "
        f"{_FIND}"
    )


def behind(where: str, account: str, found: LeaseRecord) -> str:
    """Return why a state whose journal lacks what the record says may not continue, and what to
    do.
    """
    line, _, _ = found.journal.partition(" ")
    return (
        f"the archive {where} was last used for account {account} by {found}, and this state's "
        f"journal lacks line {line} of then: it is an older copy, or its server lost the newest "
        f"lines in a fail-over. {_FIND}"
    )
