"""A server that is there and does not answer: its processes are stopped, and its kernel acknowledges
every packet.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from sauce_janitor.errors import StateError
from sauce_janitor.model.permits import DeleteJobPermit, Receipt
from sauce_janitor.state import State
from sauce_janitor.state.database import postgresql as dialect
from tests.fakes.job_list import OWNER, an_id
from tests.support.postgresql import Postgresql

Act = Callable[[State], object]


@pytest.fixture
def url(postgresql: Postgresql) -> Iterator[str]:
    found = postgresql.state()
    yield found
    postgresql.drop(found)


@pytest.fixture
def state(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """A state on a server that has little time for an answer."""
    for kind in ("glance", "write", "read"):
        monkeypatch.setitem(dialect.ANSWER_S, kind, 1.0)
    with State.connect(url) as opened:
        opened.accounts.admit("eu", base_url="https://api.example", username="demo")
        yield opened


def write_intent(state: State, fence: int) -> None:
    permit = DeleteJobPermit(an_id(1), OWNER, Receipt("ab" * 32), "f", 1.0, fence)
    state.journal.during("eu", "run", lambda: 1, fence=fence).intent(permit, policy="p")


def look_at_pause(state: State) -> None:
    state.switch.is_paused()


def write_note(state: State) -> None:
    state.notes.write("key", "value")


def read_accounts(state: State) -> None:
    state.accounts.all()


def take_lease(state: State) -> None:
    with state.lease("eu", "run-1", now=1):
        pass


@pytest.mark.parametrize("act", [look_at_pause, write_note, read_accounts, take_lease])
def test_nothing_waits_for_a_frozen_server_without_end(
    postgresql: Postgresql, state: State, act: Act
) -> None:
    act(state)
    with (
        postgresql.frozen(),
        pytest.raises(StateError, match=r"cannot be used: the server did not answer within 1 s"),
    ):
        act(state)
    # It goes on: so does this program, over a new connection.
    act(state)


def test_an_intent_that_a_frozen_server_may_have_is_not_sent(
    postgresql: Postgresql, state: State
) -> None:
    with state.lease("eu", "run-1", now=1):
        state.notes.write("key", "value")
        with postgresql.frozen(), pytest.raises(StateError, match="did not answer within 1 s"):
            write_intent(state, 1)
    # The server learns that nobody waits any more, and forgets what was not committed.
    assert list(state.journal.lines()) == []
    with state.lease("eu", "run-2", now=1) as mine:
        write_intent(state, mine.fence)
    assert state.journal.verify() == 1


def test_a_server_that_freezes_in_a_transaction_is_given_up_at_its_end(
    postgresql: Postgresql, state: State
) -> None:
    with (
        pytest.raises(StateError, match="did not answer within 1 s"),
        ExitStack() as stack,
        state._database.writing("eu"),
    ):
        stack.enter_context(postgresql.frozen())


def test_a_renewal_that_is_not_answered_is_given_up_and_tried_again(
    postgresql: Postgresql, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sauce_janitor.state.server.server_lease.RENEW_S", 0.05)
    given_up, renewed = threading.Event(), threading.Event()
    glance = state._database.glance

    def watched(*given: Any, **values: Any) -> Any:
        try:
            row = glance(*given, **values)
        except StateError:
            given_up.set()
            raise
        if given_up.is_set():
            renewed.set()
        return row

    with state.lease("eu", "run-1", now=1) as mine:
        # Its connection is there when the server freezes.
        look_at_pause(state)
        monkeypatch.setattr(state._database, "glance", watched)
        with postgresql.frozen():
            assert given_up.wait(timeout=60)
        assert renewed.wait(timeout=60)
        mine.check()


def test_a_server_that_is_slow_has_time_for_what_may_take_long(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dialect.ANSWER_S, "write", 0.3)
    with State.connect(url) as state:
        database = state._database
        with pytest.raises(StateError, match="did not answer"), database.writing() as connection:
            connection.exec_driver_sql("SELECT pg_sleep(60)")
        with database.writing("eu") as connection:
            database.dialect.take_time(connection)
            connection.exec_driver_sql("SELECT pg_sleep(1)")


def test_a_connection_that_had_all_its_time_has_it_no_more_for_its_next_user(
    postgresql: Postgresql, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(dialect.ANSWER_S, "glance", 1.0)
    monkeypatch.setattr(dialect, "CONNECT_S", 2)
    # Each use tries the connection first, as one that was idle for long.
    monkeypatch.setattr(dialect, "_FRESH_S", -1.0)
    with State.connect(url) as state:
        with state._database.writing() as connection:
            state._database.dialect.take_time(connection)
        with postgresql.frozen(), pytest.raises(StateError):
            write_note(state)
        write_note(state)
