"""The archive's lists: jobs and builds, to browse and search."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from flask import Blueprint, render_template, request, url_for

from sauce_janitor.model.archive.entries import ArchiveQuery
from sauce_janitor.model.jobs import owner_name
from sauce_janitor.web.archive_query import ArchiveSource
from sauce_janitor.web.archived_test import add_test_page
from sauce_janitor.web.console import Section
from sauce_janitor.web.page_text import clean

STATUSES: Final = ("passed", "failed", "error", "complete")
_PAGE: Final = 100
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
        is_indexing = archive.keep_up()
        found, size = archive.count(query)
        return render_template(
            "archive/jobs.html",
            entries=list(archive.search(query)),
            found=found,
            size=size,
            is_indexing=is_indexing,
            fields=fields,
            owners=archive.owners(),
            **_paging(query, found, "archive.jobs", fields),
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
