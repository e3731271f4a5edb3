"""The answer of Sauce Labs to one write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WriteAnswer:
    """What came back for a write.

    `status` is None without an answer. `deleted` are the names and sizes in bytes of the files that
    Delete Job Assets says it destroyed, None where it names none. `doubtful`: the write may or may
    not have been done, and Sauce Labs must be asked. Only a 400, a 404 and a whole 2xx (empty or
    JSON, not a proxy's page) are clear.
    """

    status: int | None
    deleted: tuple[tuple[str, int], ...] | None
    doubtful: bool
    detail: str
