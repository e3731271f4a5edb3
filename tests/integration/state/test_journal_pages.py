"""Pages of the journal: newest first, each bounded, and together all that matches."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sauce_janitor.model.permits import DeleteJobPermit, Receipt
from sauce_janitor.state import JournalLine, JournalPage, JournalQuery, State
from sauce_janitor.state.journal import journal_pages
from tests.fakes.job_list import OWNER, a_job, an_id

RECEIPT = Receipt("ab" * 32)
JOBS = 10


@pytest.fixture
def filled(state: State) -> State:
    """Ten deletes by two runs, each begun and ended: twenty lines, two at each second."""
    jobs = [a_job(number) for number in range(JOBS)]
    state.jobs.of("eu", OWNER).put(jobs, unreadable=(), mark=1, now=1, bookmark=None)
    with state.lease("eu", "run-1", now=1) as lease:
        for number in range(JOBS):
            run = "run-odd" if number % 2 else "run-even"
            lines = state.journal.during("eu", run, lambda at=100 + number: at)  # type: ignore[misc]
            permit = DeleteJobPermit(an_id(number), OWNER, RECEIPT, "fp", 1.0, lease.fence)
            seq = lines.intent(permit, policy="nightly")
            lines.outcome(seq, "failed" if number == 3 else "confirmed", detail="")
    return state


def pages(state: State, query: JournalQuery) -> Iterator[JournalPage]:
    while True:
        page = state.journal_pages.page(query)
        yield page
        if page.older is None:
            return
        assert query.before is None or page.older < query.before
        query = JournalQuery(
            query.account, query.job_id, query.run_id, query.action, query.outcome, page.older,
            query.limit,
        )  # fmt: skip


def found(state: State, query: JournalQuery) -> list[JournalLine]:
    return [line for page in pages(state, query) for line in page.lines]


QUERIES: tuple[dict[str, str], ...] = (
    {},
    {"account": "eu"},
    {"account": "other"},
    {"run_id": "run-odd"},
    {"outcome": "failed"},
    {"outcome": "intent"},
    {"action": "delete_job"},
    {"action": "stop"},
    {"job_id": an_id(4)},
    {"job_id": an_id(99)},
    {"run_id": "run-even", "outcome": "confirmed"},
    {"run_id": "\0"},
)


@pytest.mark.parametrize(("limit", "scanned"), [(1, 1000), (7, 3), (20, 20), (100, 3)])
def test_pages_have_together_every_line_that_matches_newest_first(
    filled: State, monkeypatch: pytest.MonkeyPatch, limit: int, scanned: int
) -> None:
    monkeypatch.setattr(journal_pages, "SCANNED", scanned)
    newest_first = list(reversed(list(filled.journal.lines())))
    for query in QUERIES:
        expected = [line for line in newest_first if is_asked(line, query)]
        asked = JournalQuery(**query, limit=limit)  # type: ignore[arg-type]
        assert found(filled, asked) == expected, query


def is_asked(line: JournalLine, query: dict[str, str]) -> bool:
    values = {name: getattr(line, name) for name in query}
    if "outcome" in values:
        values["outcome"] = line.outcome or line.kind
    return values == query


def test_a_page_says_how_far_back_it_looked(filled: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_pages, "SCANNED", 4)
    first = filled.journal_pages.page(JournalQuery(outcome="failed"))
    assert (first.lines, first.reached_at) == ((), 108)
    assert first.older is not None


def test_a_time_leads_to_its_first_line(filled: State) -> None:
    pages = filled.journal_pages
    by_number = {line.seq: line.at for line in filled.journal.lines()}
    for at in (0, 100, 104, 109):
        assert pages.seq_at(at) == min(seq for seq, each in by_number.items() if each >= at)
    assert pages.seq_at(110) == max(by_number) + 1


def test_an_empty_journal_has_one_empty_page(state: State) -> None:
    assert state.journal_pages.page(JournalQuery()) == JournalPage((), None, None)
    assert state.journal_pages.seq_at(7) == 1


def test_runs_come_in_pages_even_if_many_began_in_the_same_second(state: State) -> None:
    for number in range(7):
        state.runs.begin(f"run-{number}", "eu", mode="execute", at=10 + number // 3)
    ids, before = [], None
    while page := state.runs.page("eu", before=before, limit=2):
        ids += [run.run_id for run in page]
        before = page[-1].started_at, page[-1].run_id
    assert ids == [f"run-{number}" for number in reversed(range(7))]
    assert state.runs.page("other") == ()
    found_one = state.runs.one("run-3")
    assert found_one is not None
    assert (found_one.account, found_one.started_at) == ("eu", 11)
    assert state.runs.one("\0") is None
