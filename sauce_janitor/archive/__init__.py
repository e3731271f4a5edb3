"""The archive: fetches assets, proves and stores them, writes receipts, verifies, prunes,
exports.
"""

from typing import TYPE_CHECKING

from sauce_janitor.facade import late_names

if TYPE_CHECKING:
    from sauce_janitor.archive.asset_fetch import AssetBody, Fetch, SizeLimits
    from sauce_janitor.archive.catalogue import Catalogue
    from sauce_janitor.archive.content.read_back import Damage
    from sauce_janitor.archive.exports.archive_copy import ArchiveCopy, copy_archive
    from sauce_janitor.archive.exports.exporter import Exported, export
    from sauce_janitor.archive.hold_mirror import HoldMirror, MirrorChangedError, MirroredHold
    from sauce_janitor.archive.job_contents import JobContents, contents_of, document_of
    from sauce_janitor.archive.job_entries import entry_from, entry_of
    from sauce_janitor.archive.ownership.lease import ArchiveLease, LeaseHolder
    from sauce_janitor.archive.ownership.lease_records import (
        LeaseRecord,
        behind,
        leases_of,
        read_lease,
        stale,
    )
    from sauce_janitor.archive.ownership.owner import foreign, hand_over, read_owner
    from sauce_janitor.archive.pause_mirror import MirroredPause, PauseMirror
    from sauce_janitor.archive.proofs import Finding, Proof
    from sauce_janitor.archive.prune import PruneDraft, Pruner
    from sauce_janitor.archive.prune_records import GoneFile, PruneFile, PruneRecord, gone_files
    from sauce_janitor.archive.receipt_format import read_receipt
    from sauce_janitor.archive.receipts import ReceiptDocument, ReceiptFile, StoredFile, Unstored
    from sauce_janitor.archive.settings import DiskReserve, StoreOrigin, WriteSettings
    from sauce_janitor.archive.storage.names import job_place
    from sauce_janitor.archive.storage.ports import SENTINEL
    from sauce_janitor.archive.storage.sites import ArchiveLocation, has_archive
    from sauce_janitor.archive.store import Archive
else:
    __getattr__ = late_names(
        __name__,
        {
            "asset_fetch": "AssetBody Fetch SizeLimits",
            "catalogue": "Catalogue",
            "content.read_back": "Damage",
            "storage.names": "job_place",
            "exports.archive_copy": "ArchiveCopy copy_archive",
            "exports.exporter": "Exported export",
            "hold_mirror": "HoldMirror MirrorChangedError MirroredHold",
            "job_contents": "JobContents contents_of document_of",
            "job_entries": "entry_from entry_of",
            "ownership.lease": "ArchiveLease LeaseHolder",
            "ownership.lease_records": "LeaseRecord behind leases_of read_lease stale",
            "ownership.owner": "foreign hand_over read_owner",
            "pause_mirror": "MirroredPause PauseMirror",
            "storage.ports": "SENTINEL",
            "proofs": "Finding Proof",
            "prune": "PruneDraft Pruner",
            "prune_records": "GoneFile PruneFile PruneRecord gone_files",
            "receipt_format": "read_receipt",
            "receipts": "ReceiptDocument ReceiptFile StoredFile Unstored",
            "settings": "DiskReserve StoreOrigin WriteSettings",
            "storage.sites": "ArchiveLocation has_archive",
            "store": "Archive",
        },
    )

__all__ = [
    "SENTINEL",
    "Archive",
    "ArchiveCopy",
    "ArchiveLease",
    "ArchiveLocation",
    "AssetBody",
    "Catalogue",
    "Damage",
    "DiskReserve",
    "Exported",
    "Fetch",
    "Finding",
    "GoneFile",
    "HoldMirror",
    "JobContents",
    "LeaseHolder",
    "LeaseRecord",
    "MirrorChangedError",
    "MirroredHold",
    "MirroredPause",
    "PauseMirror",
    "Proof",
    "PruneDraft",
    "PruneFile",
    "PruneRecord",
    "Pruner",
    "ReceiptDocument",
    "ReceiptFile",
    "SizeLimits",
    "StoreOrigin",
    "StoredFile",
    "Unstored",
    "WriteSettings",
    "behind",
    "contents_of",
    "copy_archive",
    "document_of",
    "entry_from",
    "entry_of",
    "export",
    "foreign",
    "gone_files",
    "hand_over",
    "has_archive",
    "job_place",
    "leases_of",
    "read_lease",
    "read_owner",
    "read_receipt",
    "stale",
]
