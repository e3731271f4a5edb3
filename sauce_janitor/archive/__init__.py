"""All archive work: fetching, receipts, verifying, catalogue."""

from sauce_janitor.archive.catalogue import Catalogue, Finding, Proof
from sauce_janitor.archive.contents import Contents, contents_of, document_of
from sauce_janitor.archive.entries import entry_from, entry_of
from sauce_janitor.archive.exporting import Exported, export
from sauce_janitor.archive.fetching import Body, Caps, Fetch
from sauce_janitor.archive.lease import ArchiveLease, Claimant, stale
from sauce_janitor.archive.lease_records import LeaseRecord, leases_of, read_lease
from sauce_janitor.archive.mirror import HoldMirror, MirroredHold
from sauce_janitor.archive.naming import job_place
from sauce_janitor.archive.owner import foreign, hand_over, read_owner
from sauce_janitor.archive.pause import MirroredPause, PauseMirror
from sauce_janitor.archive.pruned import GoneFile, PruneFile, PruneRecord, gone_files
from sauce_janitor.archive.pruning import Draft, Pruner
from sauce_janitor.archive.receipts import ReceiptDocument, ReceiptFile, StoredFile, Unstored, read_receipt
from sauce_janitor.archive.rereading import Damage
from sauce_janitor.archive.root import SENTINEL, Floor
from sauce_janitor.archive.storing import Archive
from sauce_janitor.archive.terms import Origin, Settings, Stored

__all__ = [
    "SENTINEL",
    "Archive",
    "ArchiveLease",
    "Body",
    "Caps",
    "Catalogue",
    "Claimant",
    "Contents",
    "Damage",
    "Draft",
    "Exported",
    "Fetch",
    "Finding",
    "Floor",
    "GoneFile",
    "HoldMirror",
    "LeaseRecord",
    "MirroredHold",
    "MirroredPause",
    "Origin",
    "PauseMirror",
    "Proof",
    "PruneFile",
    "PruneRecord",
    "Pruner",
    "ReceiptDocument",
    "ReceiptFile",
    "Settings",
    "Stored",
    "StoredFile",
    "Unstored",
    "contents_of",
    "document_of",
    "entry_from",
    "entry_of",
    "export",
    "foreign",
    "gone_files",
    "hand_over",
    "job_place",
    "leases_of",
    "read_lease",
    "read_owner",
    "read_receipt",
    "stale",
]
