"""An archived job as one line: what lists, searches and pages know of it, read from its folder
alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from sauce_janitor.archive.disk.root import ArchiveRoot
from sauce_janitor.archive.disk.walk import Place
from sauce_janitor.archive.job_contents import JobContents, contents_of, document_of
from sauce_janitor.model.archive_entries import ArchiveEntry
from sauce_janitor.model.assets import asset_classes

_LONGEST_TEXT = 2000


def entry_of(root: ArchiveRoot, place: Place) -> ArchiveEntry | None:
    """The entry of the job in this folder; None when there is none. ArchiveError when its receipts
    cannot be trusted.
    """
    contents = contents_of(root, place)
    return None if contents is None else entry_from(contents, document_of(root, contents))


def entry_from(contents: JobContents, document: Mapping[str, object] | None) -> ArchiveEntry:
    """The same of what was read already; `document` None: its texts are not known."""
    newest, said = contents.newest, document or {}
    return ArchiveEntry(
        account=newest.account,
        owner=newest.owner,
        job_id=newest.job_id,
        place="/".join(contents.place),
        ended_at=newest.ended_at,
        stored_at=newest.made_at,
        policy=newest.policy,
        assets=len(contents.assets),
        size_bytes=contents.size_bytes,
        pruned=len(contents.gone),
        has_video=any("video" in asset_classes(file.name) for file in contents.assets),
        name=_text(said, "name"),
        build=_text(said, "build"),
        status=_status(said),
        error=_text(said, "error"),
        os=_text(said, "os"),
        browser=" ".join(
            filter(None, (_text(said, "browser"), _text(said, "browser_short_version")))
        )
        or None,
        duration_s=_duration(said, newest.ended_at),
        missing=len(newest.missing),
    )


def _text(said: Mapping[str, object], key: str) -> str | None:
    """A text field, without blanks around it; None for none, a blank one, or anything else."""
    value = said.get(key)
    return value.strip()[:_LONGEST_TEXT] or None if isinstance(value, str) else None


def _status(said: Mapping[str, object]) -> str | None:
    """The verdict that users see. Source: Jobs API, Get Job Details: passed, status, error."""
    if not said:
        return None
    passed, raw = said.get("passed"), said.get("status")
    if isinstance(passed, bool):
        return "passed" if passed else "failed"
    if raw in {"error", "errored"} or _text(said, "error"):
        return "error"
    return str(raw) if raw in {"passed", "failed"} else "complete"


def _duration(said: Mapping[str, object], ended_at: int) -> int | None:
    start = said.get("start_time")
    known = isinstance(start, int) and not isinstance(start, bool) and 0 < start <= ended_at
    return ended_at - start if known and isinstance(start, int) else None
