"""The hash chains of the journal, one an account: each line's SHA-256 covers the line and the
previous hash. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

HASHED: Final = (
    "seq",
    "at",
    "account",
    "kind",
    "job_id",
    "owner",
    "action",
    "policy",
    "run_id",
    "intent",
    "outcome",
    "receipt",
    "fence",
    "detail",
)
"""The columns of a line that its hash covers, besides its number where it has one: all except the
hash itself.
"""


def beginning(instance_id: str) -> bytes:
    """Return what stands in for the hash before the first line, so that no chain fits another
    state.
    """
    return hashlib.sha256(b"sauce-janitor journal " + instance_id.encode("ascii")).digest()


def canonical(line: Mapping[str, Any]) -> bytes:
    """Return a line as bytes: JSON, keys sorted, no blanks, ASCII, ids in hexadecimal."""
    values = {column: line[column] for column in HASHED}
    # A line from before each account had its own chain has none, and keeps its hash.
    if line["number"] is not None:
        values["number"] = line["number"]
    # A driver may return a memoryview, which must give the same hash as bytes.
    values["job_id"] = bytes(values["job_id"]).hex()
    return json.dumps(values, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode(
        "ascii"
    )


def together(hashes: Mapping[str, bytes]) -> bytes:
    """Return one hash for the ends of all chains, by account; "" is the chain that all had."""
    texts = {account: end.hex() for account, end in hashes.items()}
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode("ascii")).digest()


def link(before: bytes, line: Mapping[str, Any]) -> bytes:
    """Return the hash of a line that follows one with the hash `before`."""
    return hashlib.sha256(before + canonical(line)).digest()
