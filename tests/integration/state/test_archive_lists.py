"""Lists of archived jobs: in pages that together have each job once, and found by indexes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, event

from sauce_janitor.model.archive.entries import (
    COUNTED,
    ArchiveCursor,
    ArchiveEntry,
    ArchiveQuery,
)
from sauce_janitor.model.jobs import Owner
from sauce_janitor.state import State, archive_index
from tests.fakes.job_list import an_id

ACCOUNTS = ("eu", "us")


def entry(number: int, account: str = "eu") -> ArchiveEntry:
    return ArchiveEntry(
        account, Owner(f"user-{number % 3}"), an_id(number), f"p{number}", 100 + number // 7, 1,
        "nightly", 2, 10, has_video=False, name=f"test {number}", build=f"b-{number // 10}",
        status="passed", error=f"fault {number}",
    )  # fmt: skip


@pytest.fixture
def filled(state: State) -> State:
    """Jobs of which many ended in the same second, and some are in two accounts."""
    state.accounts.admit("us", base_url="https://us.example", username="demo")
    state.archived.put([entry(number, account) for number in range(40) for account in ACCOUNTS])
    return state


def cursor(each: ArchiveEntry) -> ArchiveCursor:
    return ArchiveCursor(each.ended_at, each.job_id, each.account)


@pytest.mark.parametrize(
    "query",
    [
        ArchiveQuery(),
        ArchiveQuery(owner=Owner("user-1")),
        ArchiveQuery(text="FAULT 1", searched=60),
        ArchiveQuery(build="b-*", until=104),
    ],
)
def test_pages_have_every_job_once_forward_and_back(filled: State, query: ArchiveQuery) -> None:
    everything = list(filled.archived.search(query))
    assert len({(each.account, each.job_id) for each in everything}) == len(everything) > 3
    order = [(-each.ended_at, each.job_id, each.account) for each in everything]
    assert order == sorted(order)
    found: list[ArchiveEntry] = []
    page = list(filled.archived.search(replace(query, limit=3)))
    while page:
        found += page
        page = list(filled.archived.search(replace(query, limit=3, after=cursor(page[-1]))))
    assert found == everything
    back = [found[-1]]
    while page := list(filled.archived.search(replace(query, limit=3, before=cursor(back[0])))):
        back = page + back
    assert back == everything


def test_a_page_goes_on_where_the_last_one_ended_whatever_arrives(filled: State) -> None:
    first = list(filled.archived.search(ArchiveQuery(limit=5)))
    following = ArchiveQuery(limit=5, after=cursor(first[-1]))
    before = list(filled.archived.search(following))
    filled.archived.put([entry(1000)])
    assert list(filled.archived.search(following)) == before


def test_a_text_is_searched_for_in_the_newest_jobs_only(filled: State) -> None:
    wanted = ArchiveQuery(text="fault 3")
    assert filled.archived.count(wanted)[0] == 2 * 11
    newest = replace(wanted, searched=10)
    assert {each.ended_at for each in filled.archived.search(newest)} == {105}
    assert filled.archived.count(newest)[0] == len(list(filled.archived.search(newest))) == 10
    # Of those that match otherwise.
    older = replace(newest, until=101)
    assert [each.name for each in filled.archived.search(older)] == ["test 3", "test 3"]


def test_only_so_many_jobs_are_counted(filled: State, monkeypatch: pytest.MonkeyPatch) -> None:
    assert COUNTED >= 80
    assert filled.archived.count(ArchiveQuery()) == (80, 800)
    monkeypatch.setattr(archive_index, "COUNTED", 20)
    assert filled.archived.count(ArchiveQuery())[0] == 21
    assert filled.archived.count(ArchiveQuery(build="b-1")) == (20, 200)


def test_owners_are_named_once(filled: State) -> None:
    assert filled.archived.owners() == ("user-0", "user-1", "user-2")
    filled.archived.forget()
    assert filled.archived.owners() == ()


def test_a_build_with_a_name_that_no_index_takes_is_found(state: State) -> None:
    """PostgreSQL's indexes take about 2,700 bytes."""
    names = ["".join(chr(0x4E00 + (n * seed) % 20_000) for n in range(2000)) for seed in (7, 11)]
    state.archived.put([replace(entry(number), build=name) for number, name in enumerate(names)])
    for number, name in enumerate(names):
        (found,) = state.archived.search(ArchiveQuery(build=name))
        assert found.name == f"test {number}"
        assert found.build == name[:300]
    assert len(state.archived.builds(ArchiveQuery())) == 2


@pytest.mark.parametrize(
    ("ask", "index"),
    [
        (lambda jobs: list(jobs.search(ArchiveQuery(limit=3))), "ended_at"),
        (
            lambda jobs: list(
                jobs.search(ArchiveQuery(limit=3, after=ArchiveCursor(103, an_id(1), "eu")))
            ),
            "ended_at (ended_at<?)",
        ),
        (
            lambda jobs: list(
                jobs.search(ArchiveQuery(limit=3, before=ArchiveCursor(103, an_id(1), "eu")))
            ),
            "ended_at (ended_at>?)",
        ),
        (lambda jobs: list(jobs.search(ArchiveQuery(build="b-1"))), "build (build=?)"),
        (lambda jobs: list(jobs.search(ArchiveQuery(owner=Owner("user-1")))), "owner (owner=?)"),
        (lambda jobs: jobs.count(ArchiveQuery()), "build"),
        (lambda jobs: jobs.builds(ArchiveQuery(limit=9)), "build"),
        (lambda jobs: jobs.owners(), "owner (owner>?)"),
    ],
)
def test_an_index_finds_it(file_state: State, ask: Any, index: str) -> None:
    file_state.archived.put([entry(number) for number in range(40)])
    asked: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        if "archived_jobs" in statement:
            asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        ask(file_state.archived)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    ((statement, values),) = asked
    with file_state._database.reading() as connection:
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
        steps = [row.detail for row in found]
    assert any(f"INDEX ix_archived_jobs_{index}" in step for step in steps), steps
    assert not any("TEMP B-TREE FOR GROUP BY" in step for step in steps), steps
    assert "SCAN archived_jobs" not in steps
