"""The journal as the console shows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from typing import Any, Final

from sauce_janitor import report
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.journal_text import journal_detail, journal_text
from sauce_janitor.model.permits import ManualAction
from sauce_janitor.state import JournalLine, JournalQuery, State
from sauce_janitor.web.journal_page import (
    JournalChoices,
    JournalFilter,
    ShownJournal,
    ShownLine,
)

_PAGE: Final = 100
_OUTCOMES: Final = (
    ("confirmed", "done"),
    ("already_gone", "was gone already"),
    ("failed", "failed"),
    ("unknown", "in doubt"),
    ("archived", "archived"),
    ("intent", "begun"),
    ("purged", "purged by Sauce Labs"),
    ("pruning", "prune begun"),
)
_BAD: Final = frozenset({"failed", "unknown"})
_MOST_EXPORTED: Final = 100_000
_COLUMNS: Final = ("number", "at", "account", "job_id", "owner", "text", "detail", "run_id")


class JournalRecords:
    """The journal as the page reads it (see `web.journal_page`)."""

    def __init__(self, access: ConsoleAccess) -> None:
        self._access = access

    def choices(self) -> JournalChoices:
        actions = [(action.value, words) for action, words in report.ACTIONS.items()]
        actions += [(action.value, f"{action.value} (by hand)") for action in ManualAction]
        names = [account.name for account in self._access.config.accounts]
        return JournalChoices(names, actions, _OUTCOMES)

    def lines(self, query: JournalFilter, /) -> ShownJournal:
        asked = self._asked(query)
        page = self._access.state.journal_pages.page(asked)
        shown = tuple(shown_lines(self._access.state, page.lines))
        return ShownJournal(shown, page.older, page.reached_at)

    def export(self, query: JournalFilter, /) -> Iterable[str]:
        return report.csv_lines(self._rows(query), _COLUMNS)

    def _rows(self, query: JournalFilter) -> Iterator[Mapping[str, Any]]:
        asked, left = self._asked(query), _MOST_EXPORTED
        while left > 0:
            page = self._access.state.journal_pages.page(replace(asked, limit=min(1000, left)))
            for line in shown_lines(self._access.state, page.lines):
                yield asdict(line) | {"at": report.iso(line.at)}
            left -= len(page.lines)
            if page.older is None:
                return
            asked = replace(asked, before=page.older)

    def _asked(self, query: JournalFilter) -> JournalQuery:
        before = query.before
        pages = self._access.state.journal_pages
        until = query.until
        # All lines of a run were written before its end, so the search begins there.
        if query.run_id is not None and before is None:
            run = self._access.state.runs.one(query.run_id)
            until = run.ended_at + 1 if run is not None and run.ended_at is not None else until
        if until is not None:
            end = pages.seq_at(until)
            before = end if before is None else min(before, end)
        return JournalQuery(
            account=query.account,
            job_id=query.job_id,
            run_id=query.run_id,
            action=query.action,
            outcome=query.outcome,
            before=before,
            limit=_PAGE,
        )


def shown_lines(state: State, lines: Iterable[JournalLine]) -> Iterator[ShownLine]:
    """Yield lines of the journal as a page shows them. Raise StateError."""
    names: dict[str, str] = {}
    for line in lines:
        # Lines have the account's key, which a rename does not change.
        if line.account not in names:
            names[line.account] = state.accounts.named(line.account)
        yield ShownLine(
            number=line.seq,
            at=line.at,
            account=names[line.account],
            job_id=line.job_id,
            owner=line.owner,
            text=journal_text(line),
            detail=journal_detail(replace(line, run_id=None)),
            run_id=line.run_id,
            is_bad=line.outcome in _BAD,
        )
