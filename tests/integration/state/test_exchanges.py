"""A write transaction in few messages: it keeps what one statement at a time would keep."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psycopg
import pytest
from sqlalchemy import bindparam, insert, select, update

from sauce_janitor.errors import StateError
from sauce_janitor.state import State
from sauce_janitor.state.database import postgresql as dialect
from sauce_janitor.state.database.dialect import Exchange
from sauce_janitor.state.database.tables import accounts, meta
from tests.support.postgresql import Postgresql

ADD: Final = insert(meta)
SET: Final = (
    update(meta).where(meta.c.key == bindparam("the_key")).values(value=bindparam("new_value"))
)
ASK: Final = select(meta.c.value).where(meta.c.key == bindparam("key"))
K: Final = (ASK, {"key": "k"})
L: Final = (ASK, {"key": "l"})


def add(key: str, value: str = "1") -> dict[str, str]:
    return {"key": key, "value": value}


def noted(state: State, key: str = "k") -> str | None:
    row = state._database.glance(ASK, key=key)
    return None if row is None else str(row.value)


def note(state: State, key: str, value: str) -> None:
    with state._database.exchange("eu") as exchange:
        exchange.tell(ADD, add(key, value))


def exchanging(state: State, work: Callable[[Exchange], object], account: str = "eu") -> None:
    with state._database.exchange(account) as exchange:
        work(exchange)


# --- on both --------------------------------------------------------------------------------------


def test_what_was_told_is_there_for_the_next_question_and_after_the_end(state: State) -> None:
    with state._database.exchange("eu") as exchange:
        assert [len(rows) for rows in exchange.ask(K, L)] == [0, 0]
        exchange.tell(ADD, add("k"))
        exchange.tell(SET, {"the_key": "k", "new_value": "2"})
        (row,), nothing = exchange.ask(K, L)
        assert (row.value, len(nothing)) == ("2", 0)
        exchange.tell(ADD, add("l", "3"))
    assert (noted(state, "k"), noted(state, "l")) == ("2", "3")


def test_what_was_told_before_an_error_never_was(state: State) -> None:
    def work(exchange: Exchange) -> None:
        exchange.tell(ADD, add("k"))
        exchange.ask(K)
        exchange.tell(ADD, add("l"))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exchanging(state, work)
    assert (noted(state, "k"), noted(state, "l")) == (None, None)


@pytest.mark.parametrize("asks", [False, True], ids=["at the end", "at the next question"])
def test_a_rule_of_the_schema_refuses_all_that_was_told(state: State, asks: bool) -> None:
    note(state, "l", "old")

    def work(exchange: Exchange) -> None:
        exchange.tell(ADD, add("k"), refused="no first one")
        exchange.tell(ADD, add("l"), refused="no second one")
        exchange.tell(ADD, add("m"), refused="no third one")
        if asks:
            exchange.ask(K)

    with pytest.raises(StateError, match=r"^no second one: .*(UNIQUE|unique)"):
        exchanging(state, work)
    assert [noted(state, key) for key in "klm"] == [None, "old", None]
    # The connection is as good as before.
    note(state, "k", "2")
    assert noted(state) == "2"


def test_a_rule_without_words_of_its_own_is_told_as_the_database_s(state: State) -> None:
    values = {"name": "eu", "base_url": "u", "username": "u"}
    with pytest.raises(StateError, match="refuses what contradicts the rest of it"):
        exchanging(state, lambda exchange: exchange.tell(insert(accounts), values))


def test_exchanges_and_transactions_of_one_account_take_turns(state: State) -> None:
    note(state, "k", "0")

    def count(number: int) -> None:
        if number % 2:
            with state._database.exchange("eu") as exchange:
                ((row,),) = exchange.ask(K)
                exchange.tell(SET, {"the_key": "k", "new_value": str(int(row.value) + 1)})
            return
        with state._database.writing("eu") as connection:
            value = int(connection.execute(*K).scalar_one())
            connection.execute(SET, {"the_key": "k", "new_value": str(value + 1)})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(count, range(40)))
    assert noted(state) == "40"


# --- PostgreSQL alone -----------------------------------------------------------------------------


@pytest.fixture
def url(postgresql: Postgresql) -> Iterator[str]:
    found = postgresql.state()
    yield found
    postgresql.drop(found)


@pytest.fixture
def on_server(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """A state on a server that waits for a lock for a short time."""
    monkeypatch.setattr(dialect, "_LOCK_S", 4)
    with State.connect(url) as opened:
        opened.accounts.admit("eu", base_url="u", username="demo")
        yield opened


def writes_anew(state: State) -> bool:
    """Whether nothing was written before, and the next exchange writes."""
    was_empty = noted(state) is None
    note(state, "k", "2")
    return was_empty and noted(state) == "2"


def test_a_connection_that_is_lost_between_two_messages_writes_nothing(
    on_server: State, postgresql: Postgresql, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def work(exchange: Exchange) -> None:
        exchange.ask(K)
        postgresql.execute(
            url,
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database()",
        )
        # More than fits into the buffers of the network: sending it fails.
        for number in range(100):
            exchange.tell(ADD, add(f"k{number}", "1" * 100_000))
        exchange.tell(ADD, add("k"))

    with pytest.raises(StateError, match=r"cannot be used: .*(terminat|lost|closed)"):
        exchanging(on_server, work)
    # The error says it; a log would say it twice.
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    assert writes_anew(on_server)


def test_a_server_that_freezes_between_two_messages_writes_nothing(
    on_server: State, postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(exchange: Exchange) -> None:
        exchange.tell(ADD, add("k"))
        exchange.ask(K)
        with postgresql.frozen():
            exchange.ask(K)

    with monkeypatch.context() as short:
        short.setitem(dialect.ANSWER_S, "write", 2.0)
        with pytest.raises(StateError, match="did not answer within 2 s"):
            exchanging(on_server, work)
    assert writes_anew(on_server)


def test_an_exchange_that_stands_still_is_ended_and_frees_the_account(
    on_server: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialect, "_IDLE_S", 1)

    def work(exchange: Exchange) -> None:
        exchange.ask(K)
        # Who comes next waits until the server has ended this one.
        note(on_server, "l", "1")
        exchange.tell(ADD, add("k"))

    with pytest.raises(StateError, match="stood still for too long"):
        exchanging(on_server, work)
    assert noted(on_server, "l") == "1"
    assert writes_anew(on_server)


def test_what_another_one_keeps_locked_is_given_up(on_server: State, url: str) -> None:
    note(on_server, "l", "old")

    def work(exchange: Exchange) -> None:
        exchange.tell(ADD, add("k"))
        exchange.tell(SET, {"the_key": "l", "new_value": "new"})

    with psycopg.connect(url) as other:
        other.execute("UPDATE meta SET value = 'x' WHERE key = 'l'")
        with pytest.raises(StateError, match="another process keeps it locked"):
            exchanging(on_server, work)
        other.rollback()
    assert noted(on_server, "l") == "old"
    assert writes_anew(on_server)


def test_of_two_exchanges_that_wait_for_each_other_one_is_done_whole(on_server: State) -> None:
    note(on_server, "k", "0")
    note(on_server, "l", "0")
    turn = threading.Barrier(2)

    def change(account: str, first: str, second: str) -> str:
        def work(exchange: Exchange) -> None:
            exchange.tell(SET, {"the_key": first, "new_value": account})
            exchange.ask(K)
            turn.wait(60)
            exchange.tell(SET, {"the_key": second, "new_value": account})

        try:
            exchanging(on_server, work, account)
        except StateError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(2) as pool:
        said = [*pool.map(change, ("a", "b"), ("k", "l"), ("l", "k"))]
    winner = "ab"[said.index("")]
    assert "another process changed the same at once" in "".join(said)
    assert (noted(on_server, "k"), noted(on_server, "l")) == (winner, winner)


def test_what_follows_over_the_same_connection_is_one_transaction_again(on_server: State) -> None:
    database = on_server._database

    def fail_in(opened: Callable[[], object]) -> None:
        # The pool hands out the connection that was given back last.
        note(on_server, f"l{opened}", "1")
        with opened() as connection:  # type: ignore[attr-defined]
            connection.execute(ADD, add("k"))
            raise ZeroDivisionError

    for opened in (lambda: database.writing("eu"), database._engines[0].begin):
        with pytest.raises(ZeroDivisionError):
            fail_in(opened)
    assert writes_anew(on_server)
