"""The hash chain of the journal: each line's SHA-256 is over the line and the hash before it.
Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

HASHED: Final = (
    "seq", "at", "account", "kind", "job_id", "owner", "action", "policy", "run_id", "intent", "outcome", "receipt", "fence",
    "detail",
)  # fmt: skip
"""The columns of a line that its hash is over; every one but the hash itself."""


def beginning(instance_id: str) -> bytes:
    """What stands in for the hash before the first line: no chain fits another state."""
    return hashlib.sha256(b"sauce-janitor journal " + instance_id.encode("ascii")).digest()


def canonical(line: Mapping[str, Any]) -> bytes:
    """A line as bytes: JSON, keys sorted, no blanks, ASCII, ids in hexadecimal."""
    values = {column: line[column] for column in HASHED}
    values["job_id"] = bytes(values["job_id"]).hex()
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode(
        "ascii"
    )


def link(before: bytes, line: Mapping[str, Any]) -> bytes:
    """The hash of a line that follows one whose hash is `before`."""
    return hashlib.sha256(before + canonical(line)).digest()
