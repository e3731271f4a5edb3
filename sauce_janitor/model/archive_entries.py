"""What the archive holds, as lists tell it: an entry a job, and what is asked of them. Pure
values.
"""

from __future__ import annotations

from dataclasses import dataclass

from sauce_janitor.model.jobs import JobId, Owner


@dataclass(frozen=True, slots=True)
class ArchiveEntry:
    """One archived job. Texts are the job's as it was archived, None for what it had not, or what
    could not be read.

    `place` is its folder below the archive's root. Times are epoch seconds: `stored_at` of the
    newest receipt. `assets` and `size_bytes` count what is left of it, `pruned` the files that are
    not; `policy` had it stored. `missing` counts the wanted files that could not be had: with any,
    it is not complete.
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


@dataclass(frozen=True, slots=True)
class ArchiveQuery:
    """Which entries: all of what is given must hold. Newest end first, `limit` of them (None: all)
    after `skip`.

    `build` and `name` are globs, `text` is looked for in name and error, `since` and `until` (epoch
    seconds; until the second before it) bound the end.
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
    limit: int | None = None
    skip: int = 0


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
