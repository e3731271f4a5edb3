"""The values that a pass over a job takes and returns: settings, origin, result. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlsplit

from sauce_janitor.archive.asset_fetch import SizeLimits
from sauce_janitor.archive.receipts import ReceiptFile
from sauce_janitor.archive.storage.ports import Place
from sauce_janitor.model.jobs import Job
from sauce_janitor.model.stored_jobs import StoredJob


@dataclass(frozen=True, slots=True)
class DiskReserve:
    """How much room stays free: the larger of a share of the disk and a number of bytes."""

    percent: float = 5.0
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """How the archive is written.

    `verify: reread` reads every file back from the disk and compares it; `inline` trusts the hash
    on the way and the flush. `compress` stores logs and JSON as Zstandard.
    """

    verify: Literal["reread", "inline"] = "reread"
    min_free: DiskReserve = field(default_factory=DiskReserve)
    caps: SizeLimits = field(default_factory=SizeLimits)
    compress: bool = False


@dataclass(frozen=True, slots=True)
class StoreOrigin:
    """Why a job is stored and from where, for its receipt.

    `purged`: Sauce Labs had purged the assets, so none can be fetched. `emptied`: a delete of ours
    removed them. `restores`: a delete will follow, so what was pruned here and is listed there is
    fetched again.
    """

    policy: str
    run_id: str
    base_url: str
    purged: bool = False
    restores: bool = False
    emptied: bool = False


def stored_by(place: Place, newest: ReceiptFile, gone: Collection[str]) -> StoredJob:
    """Return what a job's newest receipt says is stored; `gone` are the paths of what was
    pruned.
    """
    document = newest.document
    return StoredJob(
        path="/".join(place),
        sha256=newest.sha256,
        key=document.selection,
        stored={asset.name: asset.bytes for asset in document.assets},
        discarded=frozenset(each.name for each in document.discarded),
        made_at=document.made_at,
        listed=frozenset(document.listed),
        pruned=frozenset(asset.name for asset in document.assets if asset.file in gone),
        missing=document.missing,
    )


def base_address(origin: StoreOrigin) -> str:
    """Return the origin's address, without a credential that might be in it."""
    parts = urlsplit(origin.base_url)
    # `hostname` has no brackets, which an IPv6 address needs in a URL.
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"


def origin_url(origin: StoreOrigin, job: Job, name: str | None = None) -> str:
    """Return where a job's document, or its asset `name`, came from.

    Source: Jobs API, Get Job Details, Get a Job Asset File.
    """
    address = f"{base_address(origin)}/rest/v1/{_quoted(job.owner)}/jobs/{job.id}"
    return address if name is None else f"{address}/assets/{_quoted(name)}"


def _quoted(text: str) -> str:
    """Return `text` as one segment of a path; half a surrogate pair, which JSON can hold, too."""
    return quote(text, safe="", errors="surrogatepass")
