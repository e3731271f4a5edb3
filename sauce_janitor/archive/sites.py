"""Where archives can be: the one table of what keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from sauce_janitor.archive.disk.folders import disk_errors
from sauce_janitor.archive.ports import SENTINEL, Site

ArchiveLocation: TypeAlias = Path


def site_of(location: ArchiveLocation) -> Site:
    """Return what opens an archive at this location."""
    from sauce_janitor.archive.disk.root import DiskSite

    return DiskSite(location.absolute())


def has_archive(location: ArchiveLocation) -> bool:
    """Tell whether there is an archive. Raises ArchiveUnusableError where that is unknown."""
    site = site_of(location)
    with disk_errors(f"look for the archive {site.at()}", of_all=True):
        return site.has(SENTINEL)
