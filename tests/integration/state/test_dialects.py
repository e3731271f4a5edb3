"""What the databases do differently, and must not be seen: order, patterns, texts, and who waits
for whom.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, inspect, select

from sauce_janitor.errors import StateError
from sauce_janitor.model.archive.entries import ArchiveEntry, ArchiveQuery
from sauce_janitor.model.globs import compile_glob
from sauce_janitor.model.job_references import JobReference
from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.state import Query, State
from sauce_janitor.state.database.tables import meta, metadata
from sauce_janitor.state.id_conditions import named
from sauce_janitor.state.server.request_counts import count_metadata
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.laws import examples
from tests.support.postgresql import Postgresql


def entry(
    number: int, name: str | None, *, build: str | None = None, owner: str = "demo"
) -> ArchiveEntry:
    return ArchiveEntry(
        "eu", Owner(owner), an_id(number), f"p{number}", 100, 1, "nightly", 0, 0, 0,
        has_video=False, name=name, build=build,
    )  # fmt: skip


PIECES = ("a", "b", "z", "A", "ä", "*", "?", "[a-c]", "[!a]", "[^b]", "[z-a]", "[]]", "[", "]", "-",
          "[a-]", "[\\]", "\\", "^", "$", ".", "(", "|", "+", "{", "[[:alpha:]]", "[!z-a]", "\n", " ")  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=examples(0.5))
@given(
    st.lists(st.sampled_from(PIECES), max_size=4).map("".join),
    st.lists(
        st.text("abzAä[]-\\^$.(|+{}!:alph\n ", max_size=3), min_size=1, max_size=5, unique=True
    ),
)
def test_a_pattern_finds_what_the_policy_s_globs_match(
    state: State, pattern: str, names: list[str]
) -> None:
    state.archived.forget()
    state.archived.put([entry(number, name) for number, name in enumerate(names)])
    wanted = {name for name in names if compile_glob(pattern)(name)}
    assert {found.name for found in state.archived.search(ArchiveQuery(name=pattern))} == wanted


def test_texts_are_in_the_order_of_their_bytes_and_none_comes_first(state: State) -> None:
    names = ["b", "a b", "B", "é", "_", "aa"]
    rows = [
        entry(number, None, build=name, owner=name or "x")
        for number, name in enumerate([*names, None])
    ]
    state.archived.put(rows)
    assert [build.build for build in state.archived.builds(ArchiveQuery())] == [
        None,
        *sorted(names, key=str.encode),
    ]
    assert state.archived.owners() == tuple(sorted([*names, "x"], key=str.encode))
    for name in names:
        state.accounts.admit(name, base_url="u", username="demo")
        state.notes.write(f"of {name}", "")
    assert list(state.accounts.all()) == sorted(["eu", *names], key=str.encode)
    assert state.notes.starting("of ") == tuple(sorted((f"of {n}" for n in names), key=str.encode))


def test_a_question_with_what_no_database_stores_finds_nothing(state: State) -> None:
    state.archived.put([entry(1, "one", build="two")])
    listed = state.jobs.of("eu", OWNER)
    listed.put([a_job(1, build="a\0b")], unreadable=(), mark=1, now=1, bookmark=None)
    for text in ("a\0b", "\ud800"):
        for query in (
            ArchiveQuery(text=text),
            ArchiveQuery(name=text),
            ArchiveQuery(test=text),
            ArchiveQuery(build=f"{text}*"),
        ):
            assert list(state.archived.search(query)) == []
        reference = JobReference(text, name=text)
        assert state.lookups.listed(reference, ["eu"], gone=True) == ()
        assert state.lookups.near(reference, ["eu"]) == ()


def test_candidates_without_a_time_come_last(state: State) -> None:
    made = [
        replace(a_job(1, name="n"), created_at=None),
        a_job(2, name="n", created_at=9),
        a_job(3, name="n", created_at=1),
    ]
    state.jobs.of("eu", OWNER).put(made, unreadable=(), mark=1, now=1, bookmark=None)
    found = state.lookups.listed(JobReference("n", name="n"), ["eu"], gone=False)
    assert [each.id for each in found] == [an_id(2), an_id(3), an_id(1)]


def test_a_condition_on_jobs_takes_any_number_also_twice(state: State) -> None:
    state.jobs.of("eu", OWNER).put(
        [a_job(number) for number in range(20)], unreadable=(), mark=1, now=1, bookmark=None
    )
    many = [JobId(f"{number:032x}") for number in range(1 << 60, (1 << 60) + 12_000)]
    wanted = [an_id(number) for number in range(3, 7)]
    state.notices.announce("eu", Action.DELETE_JOB, [*wanted, *many, *wanted], at=9)
    state.notices.announce("eu", Action.DELETE_JOB, [*wanted[1:], *many], at=10)
    with state.jobs.snapshot(Query("eu")) as snapshot:
        announced = {each.job.id: each.announced for each in snapshot.records() if each.announced}
    assert announced == {job_id: {Action.DELETE_JOB: 9} for job_id in wanted[1:]}
    # A failure inside leaves nothing that the next one would meet.
    with (
        pytest.raises(ZeroDivisionError),
        state._database.writing("eu") as connection,
        named(connection, wanted),
    ):
        raise ZeroDivisionError
    state.notices.announce("eu", Action.DELETE_JOB, [], at=11)


def test_each_of_thousands_of_jobs_is_announced(state: State) -> None:
    """Their ids are written in batches of 5,000, and none is lost between two."""
    wanted = [a_job(number) for number in range(5_002)]
    state.jobs.of("eu", OWNER).put(wanted, unreadable=(), mark=1, now=1, bookmark=None)
    state.notices.announce("eu", Action.DELETE_JOB, [each.id for each in wanted], at=9)
    with state.jobs.snapshot(Query("eu")) as snapshot:
        missed = [each.job.id for each in snapshot.records() if not each.announced]
    assert missed == []


def test_counters_that_grow_at_once_lose_nothing(state: State) -> None:
    keys = [(f"n{number}", ()) for number in range(5)]

    def grow(turn: int) -> None:
        some = keys if turn % 2 else keys[::-1]
        state.counters.add(dict.fromkeys(some, 1.0))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(grow, range(60)))
    assert state.counters.all() == dict.fromkeys(keys, 60.0)


def test_nobody_writes_about_an_account_between_what_another_reads_and_writes(state: State) -> None:
    """Read-then-write, as most of the state's methods do."""
    with state._database.writing("eu") as connection:
        connection.execute(insert(meta), [{"key": "count", "value": "0"}])

    def count(_turn: int) -> None:
        with state._database.writing("eu") as connection:
            mine = meta.c.key == "count"
            value = int(connection.execute(select(meta.c.value).where(mine)).scalar_one())
            connection.execute(meta.update().where(mine).values(value=str(value + 1)))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count, range(40)))
    with state._database.reading() as connection:
        found = connection.execute(select(meta.c.value).where(meta.c.key == "count")).scalar_one()
    assert found == "40"


# --- PostgreSQL alone -----------------------------------------------------------------------------


@pytest.fixture
def on_server(postgresql: Postgresql) -> Iterator[State]:
    url = postgresql.state()
    with State.connect(url) as state:
        state.accounts.admit("eu", base_url="u", username="demo")
        yield state
    postgresql.drop(url)


def test_writers_of_two_accounts_do_not_wait_for_each_other(on_server: State) -> None:
    on_server.accounts.admit("us", base_url="u", username="demo")
    with on_server._database.writing("eu"), on_server._database.writing("us"):
        on_server.runs.begin("r", "eu", mode="execute", at=1)


def test_the_migrations_make_the_tables_that_the_program_has(on_server: State) -> None:
    with on_server._database.reading() as connection:
        found = inspect(connection)
        there = {
            name: found.get_columns(name)
            for name in found.get_table_names()
            # Those of the queue are another library's.
            if not name.startswith("procrastinate")
        }
        indexes = {i["name"] for name in there for i in found.get_indexes(name)}
        partial = (
            connection.exec_driver_sql(
                "SELECT indexname FROM pg_indexes WHERE indexdef LIKE '%% WHERE %%'"
                " AND schemaname = current_schema() AND tablename NOT LIKE 'procrastinate%%'"
            )
            .scalars()
            .all()
        )
    del there["alembic_version"]
    counts = {name: there.pop(name) for name in count_metadata.tables}
    for name, columns in counts.items():
        assert {each["name"] for each in columns} == {*count_metadata.tables[name].c.keys()}
    assert there.keys() == metadata.tables.keys()
    for name, columns in there.items():
        extra = {"number"} if name == "runs" else set()
        assert {each["name"] for each in columns} == {*metadata.tables[name].c.keys(), *extra}
        ours = {index.name for index in metadata.tables[name].indexes}
        assert ours <= indexes
    assert set(partial) == {
        index.name
        for table in metadata.tables.values()
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    }


def test_every_text_is_compared_by_its_bytes(on_server: State) -> None:
    with on_server._database.reading() as connection:
        others = connection.exec_driver_sql(
            "SELECT table_name, column_name FROM information_schema.columns WHERE data_type = 'text'"
            " AND table_schema = current_schema() AND collation_name IS DISTINCT FROM 'C'"
            # Those of the queue are another library's, and compared for equality only.
            " AND table_name NOT LIKE 'procrastinate%%'"
        ).all()
    assert others == []


def test_a_transaction_that_stands_still_is_ended_and_frees_the_account(
    on_server: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frozen process keeps its connections open for as long as it is frozen."""
    monkeypatch.setattr("sauce_janitor.state.database.postgresql._IDLE_S", 1)
    frozen = threading.Event()

    def freeze() -> None:
        with on_server._database.writing("eu") as connection:
            frozen.wait(60)
            connection.execute(select(meta))

    with ThreadPoolExecutor(1) as pool:
        asleep = pool.submit(freeze)
        on_server.jobs.make_news("eu", [OWNER], at=1)
        frozen.set()
        with pytest.raises(StateError, match="stood still for too long"):
            asleep.result()
