"""The inventory: the known jobs and builds of an owner, kept up to date with few list requests."""

from sauce_janitor.inventory.listing_memory import SetAside
from sauce_janitor.inventory.pager import ContradictionError
from sauce_janitor.inventory.ports import JobSource, JobStore
from sauce_janitor.inventory.sync_report import (
    CONFIRMED_AFTER_S,
    SpellingError,
    SyncReport,
    SyncRequest,
)
from sauce_janitor.inventory.synchronizer import sync

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
