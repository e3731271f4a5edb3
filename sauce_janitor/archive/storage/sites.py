"""Where archives can be: the one table of what keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

from sauce_janitor.archive.storage.ports import SENTINEL, Site
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveUnusableError
from sauce_janitor.model.archive.locations import S3Location

ArchiveLocation: TypeAlias = Path | S3Location


def site_of(location: ArchiveLocation) -> Site:
    """Return what opens an archive at this location."""
    # Late: a local archive needs no client library, and must work without one.
    if isinstance(location, S3Location):
        return _s3_site(location)
    from sauce_janitor.archive.disk.site import DiskSite

    return DiskSite(location.absolute())


def has_archive(location: ArchiveLocation) -> bool:
    """Tell whether there is an archive. Raises ArchiveUnusableError where that is unknown."""
    site = site_of(location)
    with storage_errors(f"look for the archive {site.at()}", of_all=True):
        return site.has(SENTINEL)


def _s3_site(location: S3Location) -> Site:
    try:
        from sauce_janitor.archive.s3.site import S3Site
    except ModuleNotFoundError as error:
        if error.name != "obstore":
            raise
        raise ArchiveUnusableError(
            f"the archive {location} needs the package obstore: pip install sauce-janitor[cluster]"
        ) from error
    return S3Site(location)
