"""The journal of an older schema, in which all accounts had one chain: it is still proven, and each
account's own chain goes on from its end.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.errors import PermitError, StateError
from sauce_janitor.model.permits import DeleteJobPermit, Receipt
from sauce_janitor.state import State
from sauce_janitor.state.database.sqlite import sqlite_engine
from tests.fakes.job_list import OWNER, an_id
from tests.support.state import execute, migrate

INSTANCE = "01234567-89ab-4def-8123-456789abcdef"
END = "5f535975c390c392"
"""How the hash of the last line began when that schema wrote it."""


def lines() -> list[dict[str, Any]]:
    """A line about each of two accounts, and an intent whose outcome was never written."""
    common = {"at": 77, "run_id": "r1", "policy": "p", "owner": str(OWNER), "outcome": None}
    common |= {"intent": None, "detail": "{}"}
    archived = common | {"kind": "archived", "action": "archive", "fence": None}
    return [
        archived | {"seq": 1, "account": "eu", "job_id": an_id(1), "receipt": "ab" * 32},
        archived | {"seq": 2, "account": "us", "job_id": an_id(2), "receipt": "cd" * 32},
        common
        | {"seq": 3, "account": "eu", "kind": "intent", "action": "delete_job", "fence": 1}
        | {"job_id": an_id(1), "receipt": "ab" * 32},
    ]


@pytest.fixture
def older(path: Path) -> Path:
    """A state as schema 0008 left it; its hashes are made as that schema's program made them."""
    path.parent.mkdir()
    path.touch()
    engine = sqlite_engine(path)
    end = hashlib.sha256(b"sauce-janitor journal " + INSTANCE.encode()).digest()
    with engine.begin() as connection:
        migrate(connection, "0008")
        run = connection.exec_driver_sql
        run("INSERT INTO meta VALUES ('instance_id', ?), ('secret', ?)", (INSTANCE, "00" * 32))
        run("INSERT INTO meta VALUES ('archive listed x', '2')")
        run("INSERT INTO accounts (name, base_url, username) VALUES ('eu', 'u', 'demo')")
        run("INSERT INTO accounts (name, base_url, username) VALUES ('us', 'u', 'other')")
        for line in lines():
            text = json.dumps(line, sort_keys=True, separators=(",", ":"))
            end = hashlib.sha256(end + text.encode()).digest()
            row = line | {"job_id": bytes.fromhex(line["job_id"]), "hash": end}
            places = ", ".join(f":{name}" for name in row)
            run(f"INSERT INTO journal ({', '.join(row)}) VALUES ({places})", row)
        run("INSERT INTO journal_head VALUES (1, 3, ?)", (end,))
        run("INSERT INTO open_intents VALUES (3, 'eu', ?, 'delete_job')", (row["job_id"],))
    engine.dispose()
    assert end.hex().startswith(END)
    return path


def written_on(older: Path) -> None:
    """This program settles the open intent, and writes a line about each account."""
    with State.open(older) as state:
        state.journal.during("eu", "r2", lambda: 78).outcome(3, "confirmed", detail="404 twice")
        state.journal.during("us", "r2", lambda: 79).archived(
            an_id(3), OWNER, receipt="ef" * 32, selection="all", policy="p"
        )


def test_an_older_journal_is_proven_as_it_was(older: Path) -> None:
    with State.open(older) as state:
        assert state.journal.verify() == 3
        assert state.journal.ends() == {"": 3}
        assert [(line.seq, line.number) for line in state.journal.lines()] == [
            (1, None), (2, None), (3, None)
        ]  # fmt: skip
        assert [one.intent for one in state.journal.unresolved("eu")] == [3]
        assert state.archived.through("x") == {"": 2}


def test_each_account_s_chain_goes_on_from_its_end(older: Path) -> None:
    written_on(older)
    with State.open(older) as state:
        assert state.journal.verify() == 5
        assert state.journal.ends() == {"": 3, "eu": 1, "us": 1}
        assert [(line.seq, line.account, line.number) for line in state.journal.lines()][3:] == [
            (4, "eu", 1), (5, "us", 1)
        ]  # fmt: skip
        assert state.journal.unresolved("eu") == ()
        with state.lease("eu", "r3", now=80) as lease, pytest.raises(PermitError, match="done"):
            state.journal.during("eu", "r3", lambda: 80).intent(
                DeleteJobPermit(an_id(1), OWNER, Receipt("ab" * 32), "f", 0.0, lease.fence),
                policy="p",
            )


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        (["UPDATE journal SET at = 78 WHERE seq = 2"], "line 2 of the journal was"),
        (["DELETE FROM journal WHERE seq = 2"], "line 2 of the journal was"),
        (["UPDATE journal SET number = 1 WHERE seq = 2"], "line 2 of the journal was"),
        (["UPDATE journal_head SET seq = 2"], "ends at line 3 and should at 2"),
        # All that was there before, removed as if there never had been any.
        (
            [
                "UPDATE journal SET intent = NULL WHERE seq = 4",
                "DELETE FROM journal WHERE seq < 4",
                "UPDATE journal_head SET seq = 0, hash = X'{beginning}'",
            ],
            "line 1 of the journal of account eu",
        ),
        (["UPDATE journal SET at = 78 WHERE seq = 5"], "line 1 of the journal of account us"),
        # All of one account's own lines, and the record of its end.
        (
            [
                "UPDATE journal SET intent = NULL WHERE seq = 4",
                "DELETE FROM journal WHERE seq = 4",
                "DELETE FROM journal_chains WHERE account = 'eu'",
            ],
            "the journal has 4 lines and should have 5",
        ),
    ],
)
def test_what_is_altered_before_or_after_is_found(
    older: Path, changes: list[str], found: str
) -> None:
    written_on(older)
    beginning = hashlib.sha256(b"sauce-janitor journal " + INSTANCE.encode()).hexdigest()
    execute(older, "DROP INDEX uq_journal_chain")
    for change in changes:
        execute(older, change.format(beginning=beginning))
    with State.open(older) as state, pytest.raises(StateError, match=found):
        state.journal.verify()
