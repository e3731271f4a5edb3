"""One archived job as lists and searches see it, and what they can ask for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sauce_janitor.model.jobs import JobId, Owner


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One archived job. Texts are as they were when it was archived, None where the job had none or
    it cannot be read.

    `place` is its folder below the archive's root. Times are epoch seconds: `stored_at` is that of
    the newest receipt. `assets` and `size_bytes` count the files that are still there, `pruned` the
    files that are not. `policy` is the one that archived it. `missing` counts the wanted files that
    Sauce Labs did not give: with any, the entry is not complete.
    """

    account: str
    owner: Owner
    job_id: JobId
    place: str
    ended_at: int
    stored_at: int
    policy: str
    assets: int
    size_bytes: int
    pruned: int = 0
    has_video: bool = False
    name: str | None = None
    build: str | None = None
    status: str | None = None
    error: str | None = None
    os: str | None = None
    browser: str | None = None
    duration_s: int | None = None
    missing: int = 0


COUNTED: Final = 100_000
"""How many entries are counted at most."""


@dataclass(frozen=True, slots=True)
class ArchiveCursor:
    """The place of an entry in the list: newest end first, then by id and account."""

    ended_at: int
    job_id: JobId
    account: str


@dataclass(frozen=True, slots=True)
class ArchiveQuery:
    """Which entries to list: every field that is set must match. Newest end first, `limit` of them
    (None: all): the next ones after the entry at `after`, or the last ones before that at `before`.

    `build` and `name` are globs, `test` is exactly the name, and `text` is searched for in name and
    error. `since` and `until` (epoch seconds, `until` excluded) bound the job's end. `skip` is for
    builds. With `searched`, `text` is searched for in that many of the newest entries that match
    otherwise.
    """

    account: str | None = None
    owner: Owner | None = None
    build: str | None = None
    name: str | None = None
    status: tuple[str, ...] = ()
    text: str | None = None
    since: int | None = None
    until: int | None = None
    job_id: JobId | None = None
    test: str | None = None
    limit: int | None = None
    skip: int = 0
    after: ArchiveCursor | None = None
    before: ArchiveCursor | None = None
    searched: int | None = None


@dataclass(frozen=True, slots=True)
class ArchiveBuild:
    """The archived jobs of one owner's build (None: of no build), counted by status."""

    account: str
    owner: Owner
    build: str | None
    jobs: int
    statuses: dict[str, int]
    newest_at: int
    size_bytes: int
