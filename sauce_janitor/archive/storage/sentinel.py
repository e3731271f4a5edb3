"""The sentinel: the small file that makes a folder or a bucket an archive."""

from __future__ import annotations

import json
import uuid
from typing import Final

from sauce_janitor.archive.storage.ports import SENTINEL, SmallFiles
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError, ArchiveUnusableError

_FORMAT: Final = 1


def sentinel_bytes(fresh: str) -> bytes:
    """Return the sentinel of an archive with this uuid."""
    document = {"what": "sauce-janitor archive", "format": _FORMAT, "uuid": fresh}
    return (json.dumps(document) + "\n").encode()


def read_sentinel(files: SmallFiles) -> str | None:
    """Return the uuid in the sentinel; None without one. Raises ArchiveUnusableError."""
    where = files.at(SENTINEL)
    try:
        with storage_errors(f"read {where}", of_all=True):
            document = json.loads(files.read(SENTINEL, at_most=4096))
        if document["format"] != _FORMAT:
            raise ArchiveUnusableError(
                f"{files.at()} was made by a newer sauce-janitor (format {document['format']})"
            )
        return str(uuid.UUID(document["uuid"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArchiveUnusableError(f"{where} cannot be read: it was changed or cut") from error
    except ArchiveError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise
