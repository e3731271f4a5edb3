"""The journal's page: every change at Sauce Labs and in the archive, newest first, to search."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from flask import Blueprint, Response, render_template, request, url_for

from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.jobs import job_id as checked_id
from sauce_janitor.web.console import Section
from sauce_janitor.web.page_text import clean

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class JournalFilter:
    """What to search. `before` is a line's number, `until` the first second after the last day."""

    account: str | None = None
    job_id: JobId | None = None
    run_id: str | None = None
    action: str | None = None
    outcome: str | None = None
    before: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class ShownLine:
    """One line of the journal: its number, when, what, about which job, and the details.

    `account` is the current name of the account. `is_bad` marks what failed or is in doubt.
    """

    number: int
    at: int
    account: str
    job_id: str
    owner: str
    text: str
    detail: str
    run_id: str | None
    is_bad: bool


@dataclass(frozen=True, slots=True)
class ShownJournal:
    """Lines that match. `older` continues the search at a line's number; None at the end.

    `reached_at` (epoch seconds) is how far back this page looked.
    """

    lines: tuple[ShownLine, ...]
    older: int | None
    reached_at: int | None


@dataclass(frozen=True, slots=True)
class JournalChoices:
    """The values that can be chosen: accounts, and actions and outcomes with their words."""

    accounts: Sequence[str]
    actions: Sequence[tuple[str, str]]
    outcomes: Sequence[tuple[str, str]]


class JournalSource(Protocol):
    """Gives the page the journal. Every method may raise a JanitorError."""

    def choices(self) -> JournalChoices:
        """Return what can be chosen."""

    def lines(self, query: JournalFilter, /) -> ShownJournal:
        """Return the newest lines that match. It looks through a bounded number of lines."""

    def export(self, query: JournalFilter, /) -> Iterable[str]:
        """Yield the lines that match as CSV, newest first, with a line of headings."""


def journal_section(source: JournalSource) -> Section:
    """Return the journal's page, at /journal."""
    pages = Blueprint("journal", __name__, url_prefix="/journal")

    @pages.get("")
    def lines() -> str:
        choices = source.choices()
        query, fields, problem = _query(choices)
        page = source.lines(query) if problem is None else ShownJournal((), None, None)
        filters: dict[str, Any] = {name: value for name, value in fields.items() if value}
        older = None
        if page.older is not None:
            older = url_for("journal.lines", **filters, before=page.older)
        return render_template(
            "journal/lines.html",
            choices=choices,
            accounts=[(name, name) for name in choices.accounts],
            fields=fields,
            filters=filters,
            page=page,
            older=older,
            is_first=query.before is None,
            problem=problem,
        )

    @pages.get("/journal.csv")
    def export() -> Response:
        query, _, problem = _query(source.choices())
        if problem is not None:
            return Response(f"{problem}\n", status=400, content_type="text/plain; charset=utf-8")
        headers = {"Content-Disposition": 'attachment; filename="journal.csv"'}
        rows = (row.encode() for row in source.export(query))
        return Response(rows, content_type="text/csv; charset=utf-8", headers=headers)

    return Section(pages, "journal.lines", "Journal")


def _query(choices: JournalChoices) -> tuple[JournalFilter, dict[str, str], str | None]:
    """Return the query of the URL, its values as the form shows them, and a sentence on the first
    that makes no sense.
    """
    fields: dict[str, str] = {}
    for name in ("account", "job", "run", "action", "outcome", "until"):
        fields[name] = clean(request.args.get(name, "").strip()[:100])
    problem: str | None = None
    job: JobId | None = None
    if fields["job"]:
        try:
            job = checked_id(fields["job"])
        except ValueError:
            problem = "A job's id has 32 digits and letters from a to f."
    until = _end_of(fields["until"])
    if fields["until"] and until is None:
        problem = "A day is written like 2026-01-31."
    known = (
        ("account", choices.accounts),
        ("action", [value for value, _ in choices.actions]),
        ("outcome", [value for value, _ in choices.outcomes]),
    )
    for name, values in known:
        if fields[name] and fields[name] not in values:
            problem = f"There is no such {name}."
    before = request.args.get("before", type=int)
    given: dict[str, Any] = {
        name: fields[name] or None for name in ("account", "action", "outcome")
    }
    found = JournalFilter(
        **given, job_id=job, run_id=fields["run"] or None, before=_bounded(before), until=until
    )
    return found, fields, problem


def _bounded(before: int | None) -> int | None:
    """Return the number of a line, None for one that no database has."""
    return before if before is not None and 0 < before < 2**62 else None


def _end_of(day: str) -> int | None:
    if not _DAY.fullmatch(day):
        return None
    try:
        midnight = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
    # 2026-02-31
    except ValueError:
        return None
    return int(midnight.timestamp()) + _DAY_S
