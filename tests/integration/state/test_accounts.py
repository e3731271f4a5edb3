"""Whose an account is: corrected while nothing was listed, fixed afterwards; and renamed with all
that is known of it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from sauce_janitor import state as state_package
from sauce_janitor.errors import RefusedError
from sauce_janitor.model.jobs import UNKNOWN, Owner, Text
from sauce_janitor.model.permits import DeleteAssetsPermit, Receipt
from sauce_janitor.state import State
from sauce_janitor.state.database.tables import metadata
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.stored_plans import APlan

EU, US = "https://api.eu.example", "https://api.us.example"
NOON = 1_780_315_200


def _learn(state: State, name: str, owner: Owner = OWNER) -> None:
    """Jobs of the account are listed, one is held, archived and deleted."""
    jobs = state.jobs.of(name, owner)
    jobs.put(
        [a_job(number) for number in (1, 2)], unreadable=[], mark=NOON, now=NOON, bookmark=None
    )
    jobs.conclude(mark=NOON, watermark=NOON, full_at=NOON, longest_page=2)
    jobs.keep_memo("{}")
    state.accounts.bind(state.accounts.all()[name], at=NOON)
    journal = state.journal.during(name, "r1", lambda: NOON)
    journal.archived(an_id(1), owner, receipt="a" * 64, selection="all", policy="p")
    state.holds.add(name, [an_id(2)], by="jane", reason="why", at=NOON, until=None)
    state.runs.begin(f"run-{name}-{owner}", name, mode="execute", at=NOON)
    state.counters.add({("runs", (("account", name), ("mode", "execute"))): 3})
    state.notes.write(f"vanished {name}", "{}")
    state.verifications.keep(f"daily {name}", {"findings": 0, "at": NOON})
    plan = APlan(5, account=name)
    state.plans.store(plan.facts(), plan.jobs, at=NOON)


def test_an_account_is_corrected_until_a_listing_succeeded(state: State) -> None:
    state.accounts.admit("us", base_url=US, username="jnae")
    state.jobs.of("us", Owner("jnae")).put([a_job(1)], unreadable=[], mark=1, now=1, bookmark="[]")
    state.jobs.of("us", Owner("jnae")).keep_memo("{}")
    assert state.accounts.admit("us", base_url=US, username="jane") is None
    assert state.accounts.all()["us"].username == "jane"
    assert state.jobs.owners("us") == ()
    assert state.jobs.count("us") == 0
    assert state.jobs.of("us", Owner("jnae")).memo() is None


def test_a_bound_account_stays_whose_it_is(state: State) -> None:
    state.accounts.bind(state.accounts.all()["eu"], at=NOON)
    for url, user in ((EU, "demo"), ("https://api.example", "alice")):
        found = state.accounts.admit("eu", base_url=url, username=user)
        assert found is not None
        assert (found.username, found.base_url) == ("demo", "https://api.example")
    assert state.accounts.admit("eu", base_url="https://api.example", username="DEMO") is None
    state.accounts.bind(state.accounts.all()["eu"], at=NOON + 5)
    assert state.accounts.all()["eu"].bound_at == NOON


def test_lines_in_the_journal_bind_an_account_that_no_listing_bound(state: State) -> None:
    state.journal.during("eu", "r1", lambda: NOON).archived(
        an_id(1), OWNER, receipt="a" * 64, selection="all", policy="p"
    )
    assert state.accounts.admit("eu", base_url=EU, username="alice") is not None


def test_a_rename_takes_everything_along_and_alters_no_line_of_the_journal(state: State) -> None:
    _learn(state, "eu")
    before = [line.hash for line in state.journal.lines("eu")]
    state.accounts.rename("eu", "prod")
    assert list(state.accounts.all()) == ["prod"]
    assert [line.hash for line in state.journal.lines("prod")] == before
    assert state.journal.of(an_id(1), "prod")
    assert state.journal.verify() == len(before)
    assert state.jobs.count("prod") == 2
    assert state.holds.protects("prod", an_id(2), at=NOON)
    assert [run.run_id for run in state.runs.last("prod")] == ["run-eu-demo"]
    assert state.counters.all() == {("runs", (("account", "prod"), ("mode", "execute"))): 3}
    assert state.notes.read("vanished prod") == "{}"
    assert state.verifications.kept("daily prod") == {"findings": 0, "at": NOON}
    assert state.jobs.of("prod", OWNER).memo() == "{}"
    # what is written from now on goes under the same key: nothing is done twice
    state.journal.during("prod", "r2", lambda: NOON).archived(
        an_id(2), OWNER, receipt="b" * 64, selection="all", policy="p"
    )
    assert {line.account for line in state.journal.lines("prod")} == {"eu"}


def test_no_listing_from_before_a_rename_counts_as_whole(state: State) -> None:
    _learn(state, "eu")
    state.accounts.rename("eu", "prod")
    listed = state.jobs.of("prod", OWNER).listed()
    assert (listed.full_at, listed.watermark, listed.bookmark) == (None, None, None)


def test_every_table_with_accounts_in_it_is_renamed(state: State) -> None:
    """A table that is added later and forgotten here would leave its rows behind."""
    _learn(state, "eu")
    state.accounts.rename("eu", "prod")
    with state._database.reading() as connection:
        for table in metadata.sorted_tables:
            if "account" in table.c:
                names = set(connection.execute(select(table.c.account)).scalars())
                by_key = table.name in {"journal", "journal_chains"}
                assert names <= ({"eu"} if by_key else {"prod"}), table.name


def test_two_accounts_are_never_made_one(state: State) -> None:
    state.accounts.admit("us", base_url=US, username="demo")
    _learn(state, "eu")
    _learn(state, "us")
    with pytest.raises(
        RefusedError, match="account us is in the state already, with lines in the journal"
    ):
        state.accounts.rename("eu", "us")
    assert list(state.accounts.all()) == ["eu", "us"]
    state.accounts.admit("held", base_url=US, username="alice")
    state.holds.add("held", [an_id(9)], by="jane", reason="why", at=NOON, until=None)
    with pytest.raises(RefusedError, match="account held is in the state already, with holds"):
        state.accounts.rename("eu", "held")


def test_a_list_of_jobs_alone_makes_room(state: State) -> None:
    """Whoever changes the name in the configuration first, and runs a plan, has listed the account
    anew.
    """
    _learn(state, "eu")
    state.accounts.admit("prod", base_url="https://api.example", username="demo")
    jobs = state.jobs.of("prod", OWNER)
    jobs.put([a_job(7)], unreadable=[], mark=NOON, now=NOON, bookmark=None)
    state.accounts.bind(state.accounts.all()["prod"], at=NOON)
    state.accounts.rename("eu", "prod")
    assert state.jobs.record("prod", an_id(1), as_of=0) is not None
    assert state.jobs.record("prod", an_id(7), as_of=0) is None


def test_a_freed_name_is_another_account_in_the_journal_and_the_archive(state: State) -> None:
    _learn(state, "eu")
    state.accounts.rename("eu", "old")
    assert state.accounts.admit("eu", base_url=US, username="alice") is None
    assert (state.accounts.key("old"), state.accounts.key("eu")) == ("eu", "eu-2")
    assert (state.accounts.named("eu"), state.accounts.named("eu-2")) == ("old", "eu")
    _learn(state, "eu", Owner("alice"))
    assert {line.owner for line in state.journal.lines("old")} == {OWNER}
    assert {line.owner for line in state.journal.lines("eu")} == {"alice"}
    state.accounts.rename("eu", "new")
    state.accounts.rename("old", "eu")
    assert (state.accounts.key("eu"), state.accounts.key("new")) == ("eu", "eu-2")
    assert {line.owner for line in state.journal.lines("eu")} == {OWNER}
    assert state.journal.verify()


def test_a_name_that_only_the_archive_knows_is_not_given_away(state: State) -> None:
    state.accounts.rename("eu", "old")
    state.accounts.admit("eu", base_url=US, username="alice")
    assert state.accounts.key("eu") != state.accounts.key("old")


def test_an_unknown_account_and_a_change_in_doubt_are_refused(state: State) -> None:
    with pytest.raises(RefusedError, match="the state knows no account ue; it knows: eu"):
        state.accounts.rename("ue", "prod")
    with state._database.writing() as connection:
        line = {
            "seq": 1,
            "at": 1,
            "account": "eu",
            "kind": "intent",
            "job_id": bytes(16),
            "owner": OWNER,
            "action": "delete_job",
            "detail": json.dumps({}),
            "hash": bytes(32),
        }
        connection.execute(insert(metadata.tables["journal"]), [line])
        begun = {"intent": 1, "account": "eu", "job_id": bytes(16), "action": "delete_job"}
        connection.execute(insert(metadata.tables["open_intents"]), [begun])
    with pytest.raises(RefusedError, match="1 changes of account eu were begun"):
        state.accounts.rename("eu", "prod")


def test_a_job_from_before_teams_were_kept_is_no_news_while_no_team_is_told(state: State) -> None:
    jobs = state.jobs.of("eu", OWNER)
    job = replace(a_job(1), team_id=UNKNOWN)
    jobs.put([job], unreadable=[], mark=NOON, now=NOON, bookmark=None)
    with (
        state._database.writing() as connection
    ):  # as the migration leaves it: no value, and no mark either
        connection.execute(update(metadata.tables["jobs"]).values(team_id=None, marks=0))
    told: tuple[Text, ...] = (UNKNOWN, "web")
    for number, team in enumerate(told, 1):
        jobs.put(
            [replace(job, team_id=team)],
            unreadable=[],
            mark=NOON + number,
            now=NOON + number,
            bookmark=None,
        )
        record = state.jobs.record("eu", an_id(1), as_of=0)
        assert record is not None
        assert (record.job.team_id, record.changed_at) == (
            team,
            NOON if team is UNKNOWN else NOON + number,
        )


def test_what_the_journal_is_asked_of_an_account_is_answered_after_a_rename(state: State) -> None:
    """A query by the name would find nothing then, and take our own deletes for another
    janitor's.
    """
    jobs = state.jobs.of("eu", OWNER)
    jobs.put([a_job(1)], unreadable=[], mark=NOON, now=NOON, bookmark=None)
    with state.lease("eu", "run 1", now=NOON) as lease:
        journal = state.journal.during("eu", "r1", lambda: NOON)
        permit = DeleteAssetsPermit(an_id(1), OWNER, Receipt("a" * 64), "f", 0.0, lease.fence)
        journal.outcome(
            journal.intent(permit, policy="p"), "confirmed", detail="", bytes_reclaimed=7
        )
    before = state.journal.reclaimed("eu", most=5)
    state.accounts.rename("eu", "prod")
    assert state.journal.reclaimed("prod", most=5) == before == (1, 7)
    folder = Path(state_package.__file__).parent
    compared = []
    for path in folder.rglob("*.py"):
        lines = path.read_text().splitlines() if path.name != "accounts.py" else []
        compared += [line.strip() for line in lines if "journal.c.account ==" in line]
    assert len(compared) > 5
    by_key = ("key_of(", "_KEY", "== key,")
    assert all(any(word in line for word in by_key) for line in compared), compared


@pytest.mark.parametrize("key", ["run:{}", "upkeep:{}", "dry_run:run:{}", "dry_run:upkeep:{}"])
def test_what_the_daemon_did_last_moves_with_the_name(state: State, key: str) -> None:
    state.notes.write(key.format("eu"), "5")
    state.accounts.rename("eu", "prod")
    assert state.notes.read(key.format("prod")) == "5"
    assert state.notes.read(key.format("eu")) is None
