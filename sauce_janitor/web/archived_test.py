"""The page of one test: its archived runs over time, and two of them side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from flask import Blueprint, abort, render_template, request

from sauce_janitor.model.archive.entries import ArchiveEntry, ArchiveQuery
from sauce_janitor.web.archive_query import ArchiveSource, ShownFile
from sauce_janitor.web.page_text import clean

_MOST: Final = 200
"""How many runs are shown, the newest ones."""
_VERSION: Final = re.compile(r"\s+\d\S*$")
_PASSED: Final = frozenset({"passed"})
_FAILED: Final = frozenset({"failed", "error"})


@dataclass(frozen=True, slots=True)
class TestRow:
    """The runs of a test on one platform, oldest first."""

    # pytest would take it for tests.
    __test__ = False

    platform: str
    entries: tuple[ArchiveEntry, ...]
    passed: int
    failed: int


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """One of two runs side by side. `video` and `picture`, the last one, are None where none is
    archived.
    """

    entry: ArchiveEntry
    video: ShownFile | None
    picture: ShownFile | None


def add_test_page(lists: Blueprint, archive: ArchiveSource) -> None:
    """Add the page of a test, at /archive/test, to the routes of the archive."""

    @lists.get("/test")
    def test() -> str:
        name = request.args.get("name", "")[:1000]
        account = request.args.get("account", "")[:300] or None
        query = ArchiveQuery(account=account, test=name, limit=_MOST)
        entries = tuple(archive.search(query)) if name else ()
        if not entries:
            abort(404, "No run of this test is archived.")
        by_id = {f"{entry.account}/{entry.job_id}": entry for entry in entries}
        left, right = _pair(entries)
        left, right = (
            by_id.get(request.args.get("left", ""), left),
            by_id.get(request.args.get("right", ""), right),
        )
        return render_template(
            "archive/test.html",
            name=name,
            account=account,
            rows=_rows(entries),
            runs=by_id,
            count=len(entries),
            is_cut=len(entries) == _MOST,
            pair=[_compared(archive, each) for each in (left, right) if each is not None],
            chosen=[f"{each.account}/{each.job_id}" for each in (left, right) if each],
            differing=_differing(left, right),
        )


def _pair(entries: Sequence[ArchiveEntry]) -> tuple[ArchiveEntry, ArchiveEntry | None]:
    """Return the newest run that failed and the newest one before it that passed, on the same
    platform where there is one; else the two newest.
    """
    for at, entry in enumerate(entries):
        if entry.status in _FAILED:
            passed = [each for each in entries[at + 1 :] if each.status in _PASSED]
            # The test may have passed only later: that is what it is compared with then.
            passed = passed or [each for each in entries if each.status in _PASSED]
            alike = (each for each in passed if _platform(each) == _platform(entry))
            return entry, next(alike, passed[0] if passed else None)
    return entries[0], entries[1] if len(entries) > 1 else None


def _rows(entries: Sequence[ArchiveEntry]) -> list[TestRow]:
    """Return the runs by platform, the platform with most runs first."""
    platforms: dict[str, list[ArchiveEntry]] = {}
    for entry in reversed(entries):
        platforms.setdefault(_platform(entry), []).append(entry)
    rows = [
        TestRow(
            clean(platform),
            tuple(runs),
            sum(entry.status in _PASSED for entry in runs),
            sum(entry.status in _FAILED for entry in runs),
        )
        for platform, runs in platforms.items()
    ]
    return sorted(rows, key=lambda row: (-len(row.entries), row.platform))


def _platform(entry: ArchiveEntry) -> str:
    # Versions change all the time: the runs of one browser belong together.
    browser = _VERSION.sub("", entry.browser or "")
    return " · ".join(part for part in (entry.os, browser) if part) or "unknown platform"


def _compared(archive: ArchiveSource, entry: ArchiveEntry) -> ComparedRun:
    shown = archive.job(entry.account, entry.job_id)
    # Its folder may have been pruned since the index was made.
    if shown is None:
        return ComparedRun(entry, None, None)
    videos, pictures = shown.of_kind("video"), shown.of_kind("image")
    return ComparedRun(entry, videos[0] if videos else None, pictures[-1] if pictures else None)


def _differing(left: ArchiveEntry, right: ArchiveEntry | None) -> Mapping[str, bool]:
    """Return which facts differ between the two."""
    names = ("status", "build", "os", "browser", "owner")
    return {
        name: right is not None and getattr(left, name) != getattr(right, name) for name in names
    }
