"""Where an archive may be besides a folder: a bucket that is reached by the S3 protocol."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*")


@dataclass(frozen=True, slots=True)
class S3Location:
    """A prefix of a bucket; "" is the whole bucket.

    `endpoint` is the server's address, None for AWS. `credentials` returns access key id and secret
    access key; without it they come from the environment, as for other programs.
    """

    bucket: str
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    credentials: Callable[[], tuple[str, str]] | None = field(
        default=None, compare=False, repr=False
    )

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def bucket_and_prefix(url: str) -> tuple[str, str]:
    """Return the two parts of `s3://bucket/prefix`. Raises ValueError with one sentence."""
    scheme, _, rest = url.partition("://")
    if scheme != "s3" or not rest:
        raise ValueError("is not the address of a bucket: write s3://bucket/prefix")
    bucket, _, prefix = rest.rstrip("/").partition("/")
    if _BUCKET.fullmatch(bucket) is None:
        raise ValueError(
            f"{bucket!r:.80} is not a bucket's name: 3 to 63 of a-z, 0-9, dot and dash"
        )
    if prefix and _PREFIX.fullmatch(prefix) is None:
        raise ValueError(f"{prefix!r:.80} is not a prefix: use letters, digits, _, -, dots and /")
    return bucket, prefix
