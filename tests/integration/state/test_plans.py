"""The newest plan of each account is stored whole or not at all, and read page by page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, event, select, update
from sqlalchemy.engine import Engine

from sauce_janitor.errors import StateError
from sauce_janitor.model.console.stored_plans import (
    PlanDifference,
    PlanFilter,
    PlannedRow,
    StoredPlan,
)
from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.state import State
from sauce_janitor.state.database import tables
from sauce_janitor.state.database.tables import plan_parts, plans
from tests.fakes.job_list import OWNER, a_job
from tests.support.state import Python
from tests.support.stored_plans import KINDS, NOON, OWNERS, APlan

MANY = 40_000
"""More than two parts of every list."""
HOUR = 3600
ALL = PlanFilter()


def store(state: State, plan: APlan, *, at: int = NOON) -> StoredPlan:
    state.plans.store(plan.facts(), plan.jobs, at=at)
    found = state.plans.newest(plan.account)
    assert found is not None
    return found


def rows_of(state: State, plan: StoredPlan, wanted: PlanFilter = ALL) -> list[PlannedRow]:
    return [row for page in state.plans.pages(plan, wanted) for row in page.rows]


def expected(plan: APlan) -> list[tuple[bytes, int, int, int, int]]:
    jobs = list(plan.jobs())
    losing = [job for job in jobs if plan.kinds[job[1]].loss is not None]
    return losing + [job for job in jobs if plan.kinds[job[1]].loss is None]


def stored(state: State) -> tuple[int, int]:
    """How many plans and parts the database has."""
    with state._database.reading() as connection:
        heads, parts = (connection.execute(select(each)).all() for each in (plans, plan_parts))
        return len(heads), len(parts)


def test_an_account_has_no_plan_before_the_first_one(state: State) -> None:
    assert state.plans.newest("eu") is None
    assert state.plans.accounts() == ()


def test_a_plan_comes_back_as_it_was_stored_and_what_is_destroyed_comes_first(
    state: State,
) -> None:
    made = APlan(1000)
    plan = store(state, made)
    assert plan.facts == made.facts()
    assert (plan.made_at, plan.difference) == (NOON, None)
    assert (plan.facts.jobs, plan.facts.unstored) == (1000, 400)
    assert state.plans.accounts() == ("eu",)
    rows = rows_of(state, plan)
    assert [row.position for row in rows] == list(range(1000))
    for row, (job_id, kind, owner, first, last) in zip(rows, expected(made), strict=True):
        assert (row.job_id, row.owner, row.kind) == (job_id.hex(), OWNERS[owner], KINDS[kind])
        # One time for each action.
        assert row.due_since == ((first, last) if len(KINDS[kind].actions) == 2 else (first,))


def test_a_row_has_what_the_inventory_knows_of_its_job_now(state: State) -> None:
    made = APlan(3)
    first, second, _ = (JobId(each.hex()) for each, *_ in expected(made))
    jobs = state.jobs.of("eu", OWNER)
    listed = [replace(a_job(1, name="lo\x00gin", build="PR-1"), id=first)]
    listed.append(replace(a_job(2), id=second))
    jobs.put(listed, unreadable=(), mark=1, now=1, bookmark=None)
    plan = store(state, made)
    is_second = tables.jobs.c.id == bytes.fromhex(second)
    with state._database.writing("eu") as connection:
        connection.execute(update(tables.jobs).where(is_second).values(gone=True))
    one, two, three = rows_of(state, plan)
    assert one.job is not None
    assert (one.job.name, one.job.build, one.gone) == ("lo\x00gin", "PR-1", False)
    assert two.job is not None
    assert two.gone
    assert (three.job, three.gone) == (None, True)


FILTERS = st.builds(
    PlanFilter,
    policy=st.sampled_from([None, "nightly", "noise", "late", "no such policy"]),
    action=st.sampled_from([None, *Action]),
    owner=st.sampled_from([None, *OWNERS[:2], "nobody"]),
    prefix=st.sampled_from(["", "a", "ab", "abc", "f" * 32, APlan.id_of(39_999).hex()]),
    unstored=st.booleans(),
)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[State, StoredPlan]]:
    with State.open(tmp_path_factory.mktemp("large") / "state.db") as state:
        state.accounts.admit("eu", base_url="https://api.example", username="demo")
        yield state, store(state, APlan(MANY))


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wanted=FILTERS, after=st.integers(-1, MANY), limit=st.integers(1, 300))
def test_a_page_has_the_next_jobs_of_its_filter_and_no_other(
    large: tuple[State, StoredPlan], wanted: PlanFilter, after: int, limit: int
) -> None:
    state, plan = large
    matching = [
        position
        for position, (job_id, kind, owner, _, _) in enumerate(expected(APlan(MANY)))
        if position > after
        and wanted.takes(KINDS[kind])
        and wanted.owner in (None, OWNERS[owner])
        and job_id.hex().startswith(wanted.prefix)
    ]
    page = state.plans.page(plan, wanted, after=after, limit=limit)
    assert [row.position for row in page.rows] == matching[:limit]
    assert page.after == (matching[limit - 1] if len(matching) > limit else None)


def test_a_filter_of_policy_and_action_means_an_action_of_that_policy(state: State) -> None:
    """A job that one policy archives and another one empties is not emptied by the first."""
    plan = store(state, APlan(50))
    emptied = PlanFilter(policy="nightly", action=Action.DELETE_ASSETS)
    assert rows_of(state, plan, emptied) == []
    assert len(rows_of(state, plan, replace(emptied, policy="late"))) == 10


# --- one plan after another -----------------------------------------------------------------------


def test_a_plan_replaces_the_former_one_and_says_what_changed(state: State) -> None:
    store(state, APlan(MANY))
    made = APlan(MANY + 30, without=frozenset(range(100)), other=frozenset({200, 203}))
    plan = store(state, made, at=NOON + 60)
    assert plan.difference is not None
    assert (plan.difference.former_as_of, plan.difference.added) == (NOON, 30)
    assert (plan.difference.left, plan.difference.changed) == (100, 2)
    added, left, changed = state.plans.changes(plan)
    ids = [each[0].hex() for each in expected(made)]
    assert {row.job_id for row in added.rows} <= {
        APlan.id_of(number).hex() for number in range(MANY, MANY + 30)
    }
    assert [ids[row.position] for row in added.rows] == [row.job_id for row in added.rows]
    # Those that the former plan had first.
    first = [each[0].hex() for each in expected(APlan(MANY)) if each[3] > NOON - 100]
    assert [row.job_id for row in left.rows] == first[:10]
    assert {row.job_id for row in changed.rows} == {
        APlan.id_of(number).hex() for number in (200, 203)
    }
    # Nothing of the former one is left.
    assert stored(state)[0] == 1
    assert len(rows_of(state, plan)) == MANY - 70


def test_a_plan_without_jobs_is_a_plan(state: State) -> None:
    store(state, APlan(10))
    plan = store(state, APlan(0), at=NOON + 60)
    assert (plan.facts.jobs, stored(state)) == (0, (1, 0))
    assert plan.difference == PlanDifference(
        NOON, left=10, first_left=plan.difference.first_left if plan.difference else ()
    )
    assert rows_of(state, plan) == []
    again = store(state, APlan(0), at=NOON + 120)
    assert again.difference == PlanDifference(NOON)


def test_accounts_keep_their_own_plans(state: State) -> None:
    state.accounts.admit("us", base_url="u", username="demo")
    eu, us = store(state, APlan(20)), store(state, APlan(30, account="us"))
    assert (len(rows_of(state, eu)), len(rows_of(state, us))) == (20, 30)
    assert state.plans.accounts() == ("eu", "us")


# --- what goes wrong ------------------------------------------------------------------------------


def test_an_error_while_it_is_stored_leaves_the_former_plan_in_force(state: State) -> None:
    former = store(state, APlan(100))
    before = stored(state)

    def jobs() -> Iterator[tuple[bytes, int, int, int, int]]:
        yield from APlan(MANY).jobs()
        raise OSError("the inventory's disk is gone")

    with pytest.raises(OSError, match="disk is gone"):
        state.plans.store(APlan(MANY).facts(), jobs, at=NOON + 60)
    assert state.plans.newest("eu") == former
    assert stored(state) == before
    assert len(rows_of(state, former)) == 100


def test_a_process_killed_while_it_stores_leaves_the_former_plan_and_its_rest_goes_later(
    state: State, python: Python
) -> None:
    former = store(state, APlan(100))
    before = stored(state)
    code, said = python.run(
        """
        import os
        from tests.support.stored_plans import APlan, NOON
        plan = APlan(40_000)
        def jobs():
            for number, job in enumerate(plan.jobs()):
                if number == 39_000 and plan.kinds[job[1]].loss is None:
                    os._exit(9)
                yield job
        with opened() as state:
            state.plans.store(plan.facts(), jobs, at=NOON + 60)
        """
    )
    assert code == 9, said
    assert state.plans.newest("eu") == former
    assert stored(state) > before
    # Perhaps it is still at work.
    soon = store(state, APlan(100), at=NOON + 120)
    assert stored(state) > before
    assert soon.difference is not None
    assert soon.difference.added == 0
    store(state, APlan(100), at=NOON + 61 + HOUR)
    assert stored(state) == before


def test_a_plan_that_another_run_took_for_rubbish_is_not_published(state: State) -> None:
    made = APlan(MANY)

    def jobs() -> Iterator[tuple[bytes, int, int, int, int]]:
        for number, job in enumerate(made.jobs()):
            # An hour later by the clock of another run.
            if number == 30_000:
                store(state, APlan(5), at=NOON + 2 * HOUR)
            yield job

    with pytest.raises(StateError, match=r"removed by another run|another command has changed it"):
        state.plans.store(made.facts(), jobs, at=NOON)
    newest = state.plans.newest("eu")
    assert newest is not None
    assert newest.facts.jobs == 5
    assert stored(state)[0] == 1


def test_a_plan_that_another_run_is_about_to_remove_is_not_published(state: State) -> None:
    """Its head goes last: its first parts are gone before it."""
    former, made = store(state, APlan(5)), APlan(MANY)

    def jobs() -> Iterator[tuple[bytes, int, int, int, int]]:
        for number, job in enumerate(made.jobs()):
            if number == 30_000:
                is_mine = plan_parts.c.plan != former.number
                with state._database.writing("eu") as connection:
                    connection.execute(delete(plan_parts).where(is_mine))
            yield job

    with pytest.raises(StateError, match="removed by another run"):
        state.plans.store(made.facts(), jobs, at=NOON)
    assert state.plans.newest("eu") == former


def test_a_plan_of_another_format_counts_as_none(state: State) -> None:
    store(state, APlan(10))
    with state._database.writing("eu") as connection:
        connection.execute(update(plans).values(summary='{"format": 2}'))
    assert state.plans.newest("eu") is None
    plan = store(state, APlan(10), at=NOON + 60)
    assert plan.difference is None
    assert stored(state)[0] == 1


# --- with the rest of the state -------------------------------------------------------------------


def test_a_plan_moves_with_its_account_and_goes_with_it(state: State) -> None:
    store(state, APlan(100))
    state.accounts.rename("eu", "prod")
    assert state.plans.newest("eu") is None
    plan = state.plans.newest("prod")
    assert plan is not None
    assert plan.facts.account == "prod"
    assert len(rows_of(state, plan)) == 100
    # The name is free again. A plan alone keeps no account from making room.
    state.accounts.admit("eu", base_url="u", username="demo")
    store(state, APlan(50))
    state.accounts.rename("prod", "eu")
    moved = state.plans.newest("eu")
    assert moved is not None
    assert moved.facts.jobs == 100
    assert stored(state)[0] == 1


def test_a_plan_about_a_wrong_user_is_forgotten_with_the_jobs(state: State) -> None:
    store(state, APlan(100))
    state.accounts.admit("eu", base_url="https://api.example", username="jane")
    assert state.plans.newest("eu") is None
    assert stored(state) == (0, 0)


def test_a_copied_state_has_the_plan_and_goes_on_counting(state: State, tmp_path: Path) -> None:
    plan = store(state, APlan(1000))
    with State.open(tmp_path / "copy.db") as copy:
        counts = state.copy_to(copy)
        assert counts["plans"] == 1
        assert copy.plans.newest("eu") == plan
        assert rows_of(copy, plan) == rows_of(state, plan)
        assert store(copy, APlan(1000), at=NOON + 60).number > plan.number


# --- how much it reads ----------------------------------------------------------------------------


def test_every_statement_of_a_page_finds_its_rows_by_an_index(file_state: State) -> None:
    """At any size it reads a few parts, and the jobs that it shows."""
    plan = store(file_state, APlan(200_000))
    jobs = file_state.jobs.of("eu", OWNER)
    jobs.put([a_job(each) for each in range(50)], unreadable=(), mark=1, now=1, bookmark=None)
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, statement: str, values: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        for wanted in (
            PlanFilter(),
            PlanFilter(policy="noise", owner="user-3"),
            PlanFilter(action=Action.ARCHIVE, prefix="ab", owner="user-1"),
        ):
            assert file_state.plans.page(plan, wanted, after=40_000).rows
        file_state.plans.changes(plan)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(asked) < 40
    with file_state._database.reading() as connection:
        for statement, values in asked:
            found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)  # type: ignore[arg-type]
            for row in found:
                assert "SCAN" not in row.detail, (statement, row.detail)
                if "SEARCH" in row.detail:
                    assert "INDEX" in row.detail, (statement, row.detail)


def test_a_plan_is_written_in_short_transactions(file_state: State) -> None:
    """Other accounts, and leases, wait for one of them at most."""
    written: list[int] = []

    def note(_c: object, _cursor: object, statement: str, values: Any, *_: object) -> None:
        if "INSERT INTO plan_parts" in statement:
            rows = values if isinstance(values, list) else [values]
            cells = [each for row in rows for each in row]
            written.append(sum(len(cell) for cell in cells if isinstance(cell, bytes | memoryview)))

    store(file_state, APlan(200_000))
    event.listen(Engine, "before_cursor_execute", note)
    try:
        store(file_state, APlan(200_000), at=NOON + 60)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert sum(written) > 8_000_000
    assert max(written) < 700_000
