"""The inventory: what we know of an owner's jobs and builds, kept true by listing no more than is
needed.
"""

from sauce_janitor.inventory.listing_memory import SetAside
from sauce_janitor.inventory.pager import ContradictionError
from sauce_janitor.inventory.ports import JobSource, JobStore
from sauce_janitor.inventory.synchronizer import (
    CONFIRMED_AFTER_S,
    SpellingError,
    SyncReport,
    SyncRequest,
    sync,
)

__all__ = [
    "CONFIRMED_AFTER_S",
    "ContradictionError",
    "JobSource",
    "JobStore",
    "SetAside",
    "SpellingError",
    "SyncReport",
    "SyncRequest",
    "sync",
]
