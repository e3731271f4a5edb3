"""An archived job as lists, searches and pages know it, read from its folder alone."""

from __future__ import annotations

from collections.abc import Mapping

from sauce_janitor.archive.job_contents import JobContents, contents_of, document_of
from sauce_janitor.archive.storage.ports import Place, Store
from sauce_janitor.model.archive.entries import ArchiveEntry
from sauce_janitor.model.assets import asset_classes

_LONGEST_TEXT = 2000


def entry_of(root: Store, place: Place) -> ArchiveEntry | None:
    """Return the entry of the job in this folder; None when there is none.

    Raises ArchiveError when its receipts cannot be trusted.
    """
    contents = contents_of(root, place)
    return None if contents is None else entry_from(contents, document_of(root, contents))


def entry_from(contents: JobContents, document: Mapping[str, object] | None) -> ArchiveEntry:
    """Return the entry of contents that were read already; without a `document` its texts are
    unknown.
    """
    newest, fields = contents.newest, document or {}
    browser = (_text(fields, "browser"), _text(fields, "browser_short_version"))
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
        name=_text(fields, "name"),
        build=_text(fields, "build"),
        status=_status(fields),
        error=_text(fields, "error"),
        os=_text(fields, "os"),
        browser=" ".join(filter(None, browser)) or None,
        duration_s=_duration(fields, newest.ended_at),
        missing=len(newest.missing),
    )


def _text(fields: Mapping[str, object], key: str) -> str | None:
    """Return a text field without surrounding blanks; None for a blank one or anything else."""
    value = fields.get(key)
    return value.strip()[:_LONGEST_TEXT] or None if isinstance(value, str) else None


def _status(fields: Mapping[str, object]) -> str | None:
    """Return the result that users see. Source: Jobs API, Get Job Details: passed, status,
    error.
    """
    # Without a document nothing is known, and `complete` would be a guess.
    if not fields:
        return None
    passed, raw = fields.get("passed"), fields.get("status")
    # As in the inventory: the result wins over an error.
    if isinstance(passed, bool):
        return "passed" if passed else "failed"
    if raw in {"error", "errored"} or _text(fields, "error"):
        return "error"
    return str(raw) if raw in {"passed", "failed"} else "complete"


def _duration(fields: Mapping[str, object], ended_at: int) -> int | None:
    start = fields.get("start_time")
    # A bool is an int in Python, and a start after the end is no start.
    known = isinstance(start, int) and not isinstance(start, bool) and 0 < start <= ended_at
    return ended_at - start if known and isinstance(start, int) else None
