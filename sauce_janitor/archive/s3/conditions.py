"""Tries whether a server honours conditional writes, on which every commit rests.

Half of the servers that speak S3 ignore the conditions in silence: the second of two writers would
overwrite the first one's receipt.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Final

from sauce_janitor.archive.s3.bucket import Bucket
from sauce_janitor.archive.storage.ports import StoreDownError

PROBE: Final = ".sauce-janitor-probe-"
_BETTER: Final = "use a server that does, such as AWS S3, Cloudflare R2 or SeaweedFS"


def prove_conditions(bucket: Bucket) -> None:
    """Raise StoreDownError unless writes with a condition are refused where it does not hold, and
    a read sees the last write.
    """
    key = PROBE + uuid.uuid4().hex
    etag = bucket.add(key, b"one")
    try:
        if _accepted(lambda: bucket.add(key, b"two")):
            raise StoreDownError(
                "the server ignores `If-None-Match: *`, so two writers could overwrite each "
                f"other's receipts: {_BETTER}"
            )
        if etag is None:
            raise StoreDownError(f"the server returns no ETag for a write: {_BETTER}")
        newer = bucket.replace(key, b"three", etag)
        if newer is None or newer == etag or _accepted(lambda: bucket.replace(key, b"four", etag)):
            raise StoreDownError(
                "the server ignores `If-Match`, so two writers could overwrite each other's holds "
                f"and leases: {_BETTER}"
            )
        if bucket.read(key, at_most=100)[0] != b"three":
            raise StoreDownError(f"the server does not return what was written last: {_BETTER}")
    finally:
        # A key that may not delete can still archive.
        with suppress(OSError):
            bucket.remove([key])


def _accepted(write: object) -> bool:
    assert callable(write)
    try:
        write()
    except FileExistsError:
        return False
    return True
