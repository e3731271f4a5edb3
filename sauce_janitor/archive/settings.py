"""What a pass is told and what it tells: how to write, why and from where a job is stored, what is
stored of it. Pure.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlsplit

from sauce_janitor.archive.asset_fetch import SizeLimits
from sauce_janitor.archive.disk.root import DiskReserve
from sauce_janitor.archive.disk.walk import Place
from sauce_janitor.archive.receipts import ReceiptFile
from sauce_janitor.model.jobs import Job
from sauce_janitor.model.stored_jobs import StoredJob


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """How the archive is written.

    `verify: reread` reads every file back from the disk and compares it; `inline` trusts the hash
    on the way and the flush. `compress`: logs and JSON are stored as Zstandard.
    """

    verify: Literal["reread", "inline"] = "reread"
    min_free: DiskReserve = field(default_factory=DiskReserve)
    caps: SizeLimits = field(default_factory=SizeLimits)
    compress: bool = False


@dataclass(frozen=True, slots=True)
class StoreOrigin:
    """Why a job is stored and from where: for its receipt. `purged`: Sauce had purged the assets,
    so none is to be had.

    `emptied`: a delete of ours took them.

    `restores`: a delete is to follow, so what was pruned here and is listed there is fetched again.
    """

    policy: str
    run_id: str
    base_url: str
    purged: bool = False
    restores: bool = False
    emptied: bool = False


def stored_by(place: Place, newest: ReceiptFile, gone: Collection[str]) -> StoredJob:
    """What a job's newest receipt says is stored; `gone` are the paths of what was pruned."""
    said = newest.document
    return StoredJob(
        path="/".join(place),
        sha256=newest.sha256,
        key=said.selection,
        stored={asset.name: asset.bytes for asset in said.assets},
        discarded=frozenset(each.name for each in said.discarded),
        made_at=said.made_at,
        pruned=frozenset(asset.name for asset in said.assets if asset.file in gone),
        missing=said.missing,
    )


def base_address(origin: StoreOrigin) -> str:
    """The origin's address, without a credential that might stand in it."""
    parts = urlsplit(origin.base_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}"


def origin_url(origin: StoreOrigin, job: Job, name: str | None = None) -> str:
    """Where a job's document, or its asset `name`, came from. Source: Jobs API, Get Job Details,
    Get a Job Asset File.
    """
    address = f"{base_address(origin)}/rest/v1/{_quoted(job.owner)}/jobs/{job.id}"
    return address if name is None else f"{address}/assets/{_quoted(name)}"


def _quoted(text: str) -> str:
    """Return `text` as one segment of a path; half a surrogate pair, which JSON can hold, too."""
    return quote(text, safe="", errors="surrogatepass")
