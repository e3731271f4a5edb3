"""The archive's lists: jobs and builds, to browse and search."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from flask import Blueprint, render_template, request, url_for

from sauce_janitor.model.archive.entries import (
    COUNTED,
    ArchiveCursor,
    ArchiveEntry,
    ArchiveQuery,
)
from sauce_janitor.model.jobs import JobId, owner_name
from sauce_janitor.web.archive_query import ArchiveSource
from sauce_janitor.web.archived_test import add_test_page
from sauce_janitor.web.console import Section
from sauce_janitor.web.page_text import clean

STATUSES: Final = ("passed", "failed", "error", "complete")
_PAGE: Final = 100
_SEARCHED: Final = 100_000
"""In how many of the newest jobs a text is searched for: no index finds it."""
_CURSOR: Final = re.compile(r"(\d{1,12})\.([0-9a-f]{32})\.(.{1,300})")
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


def archive_section(archive: ArchiveSource, place: Callable[[], str]) -> Section:
    """Return the lists of jobs and builds, at /archive. `place` returns where it is."""
    lists = Blueprint("archive", __name__, url_prefix="/archive")

    @lists.context_processor
    def add_names() -> dict[str, Any]:
        return {"archive_place": place(), "statuses": STATUSES}

    @lists.get("")
    def jobs() -> str:
        query, fields = _query()
        query = replace(query, skip=0, searched=_SEARCHED, **_cursor())
        is_indexing = archive.keep_up()
        # One more shows whether there is another page.
        entries = list(archive.search(replace(query, limit=_PAGE + 1)))
        more = len(entries) > _PAGE
        # Before a cursor, the one more is the first one.
        entries = entries[-_PAGE:] if query.before is not None else entries[:_PAGE]
        found, size = len(entries), sum(entry.size_bytes for entry in entries)
        # A first page that has all of them need not be counted again.
        if more or query.after is not None or query.before is not None:
            found, size = archive.count(query)
        return render_template(
            "archive/jobs.html",
            entries=entries,
            found=found,
            most=COUNTED,
            searched=_SEARCHED,
            size=size,
            is_indexing=is_indexing,
            fields=fields,
            owners=archive.owners(),
            **_steps(query, entries, found, fields, more=more),
        )

    @lists.get("/builds")
    def builds() -> str:
        query, fields = _query()
        found = list(archive.builds(query))
        # Builds are not counted: a full page means that there may be one more page.
        more = len(found) == _PAGE
        count = query.skip + len(found) + more
        return render_template(
            "archive/builds.html",
            builds=found,
            fields=fields,
            owners=archive.owners(),
            **_paging(query, count, "archive.builds", fields),
        )

    add_test_page(lists, archive)
    return Section(lists, "archive.jobs", "Archive")


def _query() -> tuple[ArchiveQuery, dict[str, Any]]:
    """Return the query of the URL, and its values as the form shows them.

    Values that make no sense are left out.
    """
    fields: dict[str, Any] = {}
    for name in ("q", "owner", "build", "account", "since", "until"):
        fields[name] = clean(request.args.get(name, "").strip()[:300])
    fields["status"] = [status for status in request.args.getlist("status") if status in STATUSES]
    page = max(1, min(request.args.get("page", 1, type=int), 1_000_000))
    try:
        owner = owner_name(fields["owner"]) if fields["owner"] else None
    except ValueError:
        owner, fields["owner"] = None, ""
    query = ArchiveQuery(
        account=fields["account"] or None,
        owner=owner,
        build=fields["build"] or None,
        status=tuple(fields["status"]),
        text=fields["q"] or None,
        since=_midnight(fields["since"]),
        # The form names the last day, the query the first second after it.
        until=_midnight(fields["until"], days=1),
        limit=_PAGE,
        skip=(page - 1) * _PAGE,
    )
    return query, fields


def _cursor() -> dict[str, Any]:
    """Return the cursor of the URL by the name of its field; nothing where it makes no sense."""
    for name in ("after", "before"):
        parts = _CURSOR.fullmatch(request.args.get(name, ""))
        if parts is not None:
            return {name: ArchiveCursor(int(parts[1]), JobId(parts[2]), parts[3])}
    return {}


def _steps(
    query: ArchiveQuery,
    entries: Sequence[ArchiveEntry],
    found: int,
    fields: Mapping[str, Any],
    *,
    more: bool,
) -> dict[str, Any]:
    """Return the number of this page of jobs, and the URLs of the pages before and after it. They
    name the entry at which they begin, so that none is left out when new ones arrive.
    """
    is_first = query.after is None and query.before is None
    # So many are not counted.
    pages = max(1, -(-found // _PAGE)) if found <= COUNTED else None
    page = 1
    if not is_first:
        page = max(2, min(request.args.get("page", 2, type=int), pages or 1_000_000_000))
    filters: dict[str, Any] = {name: value for name, value in fields.items() if value}

    def address(name: str, entry: ArchiveEntry, number: int) -> str:
        cursor = f"{entry.ended_at}.{entry.job_id}.{entry.account}"
        values = filters | {name: cursor, "page": number}
        return url_for("archive.jobs", **values)

    before, after = None, None
    # On the first page nothing comes before, and the page before the second one is the first one.
    if page == 2 or (not is_first and not entries):
        before = url_for("archive.jobs", **filters)
    elif not is_first:
        before = address("before", entries[0], page - 1)
    if entries and (more or query.before is not None):
        after = address("after", entries[-1], page + 1)
    here = dict(filters)
    if not is_first:
        here |= {name: request.args.get(name) for name in ("after", "before", "page")}
    return {
        "page": page,
        "pages": pages,
        "filters": filters,
        "back": url_for("archive.jobs", **here).partition("?")[2],
        "before": before,
        "after": after,
    }


def _midnight(text: str, *, days: int = 0) -> int | None:
    """Return the first second of the day that is `days` after the day in `text`, in UTC.

    Return None if the text is not a day.
    """
    if not _DAY.fullmatch(text):
        return None
    try:
        day = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) + dt.timedelta(days=days)
    # 2026-02-31, or the day after the last one that Python knows.
    except (ValueError, OverflowError):
        return None
    return int(day.timestamp())


def _paging(
    query: ArchiveQuery, found: int, endpoint: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the number of this page, and the URLs of the pages before and after it."""
    page, pages = query.skip // _PAGE + 1, max(1, -(-found // _PAGE))
    filters: dict[str, Any] = {name: value for name, value in fields.items() if value}

    def address(number: int) -> str | None:
        if number == page or not 1 <= number <= pages:
            return None
        return url_for(endpoint, **filters, page=number)

    here = url_for(endpoint, **(filters | {"page": page} if page > 1 else filters))
    return {
        "page": page,
        "pages": pages,
        "filters": filters,
        "back": here.partition("?")[2],
        "before": address(page - 1),
        "after": address(page + 1),
    }
