"""What the archive holds of one job, as the packages speak of it before a delete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sauce_janitor.model.jobs import MissingFile


@dataclass(frozen=True, slots=True)
class StoredJob:
    """What the verified receipts of one job hold together.

    `path` is the job's folder below the archive's root, `sha256` the newest receipt's hash, `key`
    its selection, `made_at` its time (epoch seconds). `listed` are the names that Sauce Labs has
    listed at any of its receipts. `stored` has the size in bytes of each stored asset by name.
    `pruned` are those of them whose bytes have since been removed from the archive. `discarded` are
    the names that a receipt says are not stored on purpose. `missing` are the files that are wanted
    and could not be fetched yet.

    The other fields are about the pass that returned this: `fetched_assets` and `fetched_bytes` are
    what it added; `added` is False when everything was there already. `odd` lists (name, reason) of
    assets of it that do not look like what their names say. `read_back`: it read every byte from
    the disk. `restored` are the paths of damaged files that it fetched again.
    """

    path: str
    sha256: str
    key: str
    stored: Mapping[str, int]
    discarded: frozenset[str]
    made_at: int
    listed: frozenset[str]
    pruned: frozenset[str] = frozenset()
    fetched_assets: int = 0
    fetched_bytes: int = 0
    added: bool = False
    odd: tuple[tuple[str, str], ...] = ()
    read_back: bool = False
    restored: tuple[str, ...] = ()
    missing: tuple[MissingFile, ...] = ()


@dataclass(frozen=True, slots=True)
class StoreReason:
    """Why a job is stored, for its receipt: the policy that wants it, and whether Sauce Labs had
    purged the assets before.

    `deletes`: a delete follows, so no listed asset may rest on a copy that was pruned. `emptied`: a
    delete by this program took the assets.
    """

    policy: str
    purged: bool = False
    deletes: bool = False
    emptied: bool = False


@dataclass(frozen=True, slots=True)
class ReadBack:
    """The result of reading a job's copy from the disk.

    `receipt` is the SHA-256 of its newest receipt, None when there is no copy. `damaged` names each
    file that is missing or not as it was stored, and its damage. No receipt but damage: there was a
    copy, and it is gone.
    """

    receipt: str | None
    damaged: tuple[str, ...] = ()
