"""The commands with a state on PostgreSQL."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sauce_janitor.errors import ConfigError, StateError
from sauce_janitor.metrics import Metrics
from sauce_janitor.operations.policy_run import run
from sauce_janitor.operations.wiring.run_settings import Order, RunContext
from sauce_janitor.state import State
from sauce_janitor.state.database import postgresql as dialect
from tests.support.commands import Commands, Heard, Quiet
from tests.support.postgresql import Postgresql

POLICY = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: 1d, delete_job: 5d}}
"""
PASSWORD = "s3cret-w0rd"


@pytest.fixture
def desk(
    open_desk: Callable[..., Commands],
    postgresql: Postgresql,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Commands]:
    """A configuration whose state is in an empty database."""
    url = postgresql.empty()
    monkeypatch.setenv("STATE_URL", url.replace("@", f":{PASSWORD}@"))
    made = open_desk(jobs=12)
    made.configure(POLICY)
    on_server(made)
    yield made
    postgresql.drop(url)


def on_server(desk: Commands) -> None:
    path = desk.folder / "config.yaml"
    path.write_text(
        path.read_text().replace("state: {path: ./state.db}", "state: {url: {env: STATE_URL}}")
    )


def in_a_file(desk: Commands) -> None:
    path = desk.folder / "config.yaml"
    path.write_text(
        path.read_text().replace("state: {url: {env: STATE_URL}}", "state: {path: ./state.db}")
    )


def refused(desk: Commands, *words: str, code: int) -> str:
    said = desk.say(*words, code=code)
    text = f"{said.exception}"
    assert PASSWORD not in text + said.output + said.stderr
    assert "\n" not in text
    return text


def plan_of(desk: Commands) -> str:
    """The plan, at a time that is the same each time."""
    words = ("plan", "--offline", "--as-of", "2040-01-01T00:00:00Z", "--format", "json")
    text = desk.say(*words).output
    return re.sub(r'"(created_at|seal)": "[^"]*"', "", text)


def test_a_state_is_made_planned_from_and_verified(desk: Commands) -> None:
    assert "`sauce-janitor state init` makes one" in refused(desk, "plan", code=3)
    desk.say("state", "init", "--dry-run")
    assert "`sauce-janitor state init` makes one" in refused(desk, "status", code=3)
    assert desk.say("state", "init").output.startswith("Made a state in postgresql://127.0.0.1:")
    assert "has a state already" in desk.say("state", "init").output
    assert "Plan:" in desk.say("plan").output
    assert "Verified: 0 lines of the journal, 12 jobs." in desk.say("state", "verify").output
    for words in (
        ["status"],
        ["hold", "list"],
        ["account", "list"],
        ["simulate", "--for", "3d"],
        ["plan", "--offline"],
    ):
        assert PASSWORD not in desk.say(*words).output
    assert PASSWORD not in desk.say("config", "show").output
    assert not (desk.folder / "state.db").exists()


def test_a_run_on_the_server_archives_and_deletes_and_another_finds_nothing_left(
    desk: Commands,
) -> None:
    desk.say("state", "init")
    assert "Done:" in desk.say("run", "--execute").output
    deleted = desk.deleted()
    assert deleted
    assert [*(desk.folder / "archive").rglob("receipt.json")]
    assert desk.say("prove").output
    desk.say("run", "--execute")
    assert desk.deleted() == deleted
    assert len(desk.writes()) == len(deleted)
    desk.say("pause", "--reason", "audit")
    assert "paused" in refused(desk, "run", "--execute", code=3)


def test_a_run_whose_server_freezes_ends_and_sends_no_write(
    desk: Commands, postgresql: Postgresql, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("glance", "write", "read"):
        monkeypatch.setitem(dialect.ANSWER_S, kind, 1.0)
    monkeypatch.setattr(dialect, "CONNECT_S", 2)
    desk.say("state", "init")
    config = desk.config
    with ExitStack() as stack:
        state = stack.enter_context(State.connect(os.environ["STATE_URL"]))

        def freeze(*_: object) -> None:
            stack.enter_context(postgresql.frozen())

        tools = RunContext(config, state, Metrics(), Quiet(), show=freeze)
        with pytest.raises(StateError, match="the server did not answer within 1 s"):
            run(config.account("box"), tools, Order(execute=True))
    assert desk.writes() == []


def test_after_a_fail_over_a_run_waits_and_lists_every_job(
    desk: Commands, postgresql: Postgresql, heard: Callable[..., Heard]
) -> None:
    def tamper(statement: str) -> None:
        postgresql.execute(os.environ["STATE_URL"].replace(f":{PASSWORD}", ""), statement)

    desk.say("state", "init")
    desk.say("run", "--execute")
    assert "Verified: " in desk.say("state", "verify").output
    tamper(
        "UPDATE meta SET value = replace(value, ' 00000001 ', ' 00000009 ') WHERE key = 'server'"
    )
    assert "on another server than before" in refused(desk, "run", "--execute", code=5)
    desk.say("plan")
    assert "on another server than before" in refused(desk, "run", "--execute", code=5)
    tamper("UPDATE leases SET renewed_at = renewed_at - 61")
    for is_first in (True, False):
        said = heard(desk, "run", "--execute", "--log-format", "json").stderr
        events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        assert is_first is any(each["event"] == "state.server_changed" for each in events)
        [listed] = [each for each in events if each["event"] == "inventory.listed"]
        assert listed["full"] is is_first


def test_a_standby_that_lost_lines_of_a_finished_run_waits_for_a_person(
    open_desk: Callable[..., Commands],
    component: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    heard: Callable[..., Heard],
) -> None:
    server = Postgresql(component)
    try:
        monkeypatch.setenv("STATE_URL", server.state())
        desk = open_desk(jobs=12)
        desk.configure(POLICY)
        on_server(desk)
        with State.connect(os.environ["STATE_URL"]) as state:
            config = desk.config
            tools = RunContext(
                config, state, Metrics(), Quiet(), show=lambda _plan: server.back_up()
            )
            assert run(config.account("box"), tools, Order(execute=True)).complete
        writes = desk.writes()
        assert writes
        server.fail_over()
        assert "on another server than before" in refused(desk, "run", "--execute", code=5)
        server.execute(os.environ["STATE_URL"], "UPDATE leases SET renewed_at = renewed_at - 61")
        told = heard(desk, "run", "--execute")
        assert told.code == 3
        assert "state.server_changed" in told.stderr
        assert "journal lacks line" in told.stderr
        desk.say("plan")
        assert "REFUSED: the archive" in desk.say("status").stdout
        desk.say("archive", "adopt", "--yes")
        # The run before took the lease, and so nothing is listed yet.
        desk.say("run", "--execute")
        assert desk.writes() == writes
        assert "Verified: " in desk.say("state", "verify").output
    finally:
        server.close()


def test_requests_are_counted_on_the_server_for_every_machine(desk: Commands) -> None:
    desk.configure(POLICY, budget=", budget: {per_hour: 2000}")
    on_server(desk)
    desk.say("state", "init")

    def left() -> int:
        [status] = json.loads(desk.say("status", "--format", "json").output)
        return int(status["budget"]["left_this_hour"])

    assert left() == 2000
    desk.say("plan")
    assert left() == 2000 - len(desk.sandbox.log)
    assert [*desk.folder.rglob("*.budget")] == []


def test_migrating_asks_for_a_backup_and_only_a_server_has_these_commands(desk: Commands) -> None:
    desk.say("state", "init")
    assert "back up its database, then add --backed-up" in refused(desk, "state", "migrate", code=3)
    assert "has this version's schema already" in desk.say("state", "migrate", "--backed-up").output
    in_a_file(desk)
    for words in (["init"], ["migrate", "--backed-up"], ["copy", "--to", "new.db"]):
        assert "`state.url`" in refused(desk, "state", *words, code=2)


def test_a_state_moves_to_the_server_and_back(desk: Commands) -> None:
    in_a_file(desk)
    assert desk.run(execute=True).complete
    desk.state.close()
    before = plan_of(desk)
    on_server(desk)
    desk.say("state", "init")
    file, back = desk.folder / "state.db", desk.folder / "back.db"
    with State.open(file) as held, held.lease("box", "a run", now=1):
        assert "holds the lease" in refused(desk, "state", "copy", "--from", str(file), code=5)
    copied = desk.say("state", "copy", "--from", str(file)).output
    assert copied.startswith("Copied: ")
    assert "is used already" in refused(desk, "state", "copy", "--from", str(file), code=3)
    assert plan_of(desk) == before
    assert desk.say("prove").output
    assert desk.say("state", "copy", "--to", str(back)).output == copied
    assert "exists: name a new file" in refused(desk, "state", "copy", "--to", str(back), code=2)
    back.replace(file)
    in_a_file(desk)
    assert plan_of(desk) == before
    lines = desk.say("state", "verify").output
    assert lines.startswith("Verified: ")


@pytest.mark.parametrize(
    "written", ["{url: {env: STATE_URL}, path: ./state.db}", "{url: postgresql://me:pw@db/x}"]
)
def test_the_state_is_in_one_place_and_no_secret_is_written(desk: Commands, written: str) -> None:
    path = desk.folder / "config.yaml"
    path.write_text(path.read_text().replace("{url: {env: STATE_URL}}", written))
    with pytest.raises(ConfigError, match="state") as told:
        _ = desk.config
    assert "pw@db" not in str(told.value)
