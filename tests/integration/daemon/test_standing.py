"""What keeps the daemon from being ready: each said in a sentence, and each mended without a
restart where it can be.
"""

from __future__ import annotations

import re
import signal
import sqlite3
import uuid
from contextlib import closing
from typing import Any

import pytest
import structlog

from sauce_janitor.archive import SENTINEL, Archive, Catalogue, hand_over
from sauce_janitor.archive.s3 import bucket
from sauce_janitor.cli.setup.serve import run_until_signal
from sauce_janitor.config import Account, load
from sauce_janitor.daemon import heartbeat
from sauce_janitor.daemon.accounts import view_of
from sauce_janitor.daemon.daemon import Daemon
from sauce_janitor.daemon.rounds import Rounds
from sauce_janitor.daemon.status import DaemonStatus
from sauce_janitor.errors import ConfigError, StateError
from sauce_janitor.operations import adoption
from sauce_janitor.state import State
from sauce_janitor.web.overview import AccountView
from tests.support.daemon import FAST, HEAD, START, Scene, until
from tests.support.ports import free_port

HOUR = 3600


def reasons(scene: Scene, rounds: Rounds) -> tuple[str, ...]:
    rounds.go()
    scene.settle(rounds)
    standing = DaemonStatus(rounds, scene.clock, scene.metrics)
    standing.look()
    assert standing.overview.troubles == standing.readiness.reasons
    return standing.readiness.reasons


def archived(scene: Scene) -> None:
    """The archive is made, and the state knows it."""
    rounds = scene.rounds()
    rounds.go()
    assert rounds.state is not None
    path = rounds.config.archive.location
    opened = Archive.open(path, account="eu", known_uuid=None)
    rounds.state.identity.remember_archive(str(path), opened.uuid)
    opened.close()
    rounds.close()


def test_a_new_one_is_ready_before_its_first_run(scene: Scene) -> None:
    assert reasons(scene, scene.rounds()) == ()


def test_a_probe_before_its_threads_begin_does_not_say_that_it_is_dead(scene: Scene) -> None:
    """It listens a moment before they begin: a liveness probe could restart it for that."""
    scene.configure('web: {listen: "127.0.0.1:0"}\n')
    daemon = Daemon(
        load(scene.folder / "config.yaml", environ={"KEY": "x"}), execute=False, clock=scene.clock
    )
    assert daemon.is_alive()
    daemon.start()
    assert daemon.is_alive()
    daemon.stop()
    until(daemon.has_ended, "its end")
    assert not daemon.is_alive()
    daemon.close()


@pytest.mark.parametrize("broken", [Rounds, DaemonStatus])
def test_a_bug_in_one_of_its_threads_ends_it_after_the_runs_current_jobs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, broken: type[Rounds | DaemonStatus]
) -> None:
    scene.configure('web: {listen: "127.0.0.1:0"}\n')
    scene.worked.wait = True
    scene.stack.callback(scene.worked.go_on.set)
    monkeypatch.setattr(
        "sauce_janitor.daemon.rounds.a_run", lambda *, execute: scene.worked.of(f"run {execute}")
    )
    config = load(scene.folder / "config.yaml", environ={"KEY": "x"})
    with State.open(config.state) as state:
        state.notes.write("run:eu", "0")
    name = "go" if broken is Rounds else "look"
    look = getattr(broken, name)

    def fail_once_a_run_is_under_way(self: Any) -> Any:
        if scene.worked.waiting:
            raise AttributeError("a bug")
        return look(self)

    monkeypatch.setattr(broken, name, fail_once_a_run_is_under_way)
    unblocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        with structlog.testing.capture_logs() as logged:
            code = run_until_signal(Daemon(config, execute=False, clock=scene.clock, pace=FAST))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, unblocked)
    assert code == 1
    assert scene.worked.stopped == ["eu"]
    said = [entry["event"] for entry in logged]
    assert (
        said.index("daemon.failed") < said.index("daemon.stopping") < said.index("daemon.stopped")
    )
    assert "daemon.left_hanging" not in said


def test_an_archive_that_is_not_mounted_at_the_start_is_waited_for(scene: Scene) -> None:
    archived(scene)
    archive = scene.folder / "archive"
    archive.rename(scene.folder / "unmounted")
    archive.mkdir()
    rounds = scene.rounds()
    assert reasons(scene, rounds) == (
        f"the archive {archive} has no sentinel: is its volume mounted?",
    )
    archive.rmdir()
    (scene.folder / "unmounted").rename(archive)
    assert reasons(scene, rounds) == ()


def test_a_foreign_archive_and_an_unreadable_sentinel_are_told(scene: Scene) -> None:
    archived(scene)
    sentinel = scene.folder / "archive" / SENTINEL
    whole = sentinel.read_text()
    sentinel.write_text(whole.replace('"uuid": "', '"uuid": "0'))
    assert "is another one" in reasons(scene, scene.rounds())[0]
    sentinel.write_text("{")
    assert "cannot be looked at" in reasons(scene, scene.rounds())[0]


def test_an_archive_of_another_state_is_told_where_runs_execute(scene: Scene) -> None:
    archived(scene)
    path = scene.folder / "archive"
    with Catalogue.open(path, known_uuid=None) as catalogue:
        hand_over(catalogue.root, str(uuid.uuid4()), by="jane", at=START)
    (said,) = reasons(scene, scene.rounds(execute=True))
    assert "belongs to another state" in said
    assert "archive adopt" in said
    assert reasons(scene, scene.rounds()) == ()


def test_a_state_that_fails_while_the_archive_is_looked_at_ends_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(scene)

    def away(_state: object) -> None:
        raise StateError("the server closed the connection")

    monkeypatch.setattr(adoption, "LeaseNotes", away)
    assert reasons(scene, scene.rounds(execute=True)) == ()


def test_an_archive_without_room_is_told(scene: Scene) -> None:
    scene.configure(
        head=scene.configure().read_text().partition("policies")[0].replace("1kB", "999TB")
    )
    (said,) = reasons(scene, scene.rounds())
    assert said.endswith("and archive.min_free keeps 999,000,000,000,000 of them: make room")


def test_no_state_is_begun_while_the_bucket_of_its_archive_does_not_answer(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket, "_RETRIES", 0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    away = f'archive: {{url: "s3://away", endpoint: "http://127.0.0.1:{free_port()}"}}'
    text = scene.configure().read_text()
    head = re.sub(r"(?m)^archive: .*$", away, text.partition("policies")[0])
    scene.configure(head=head)
    state = scene.folder / "state.db"
    (said,) = reasons(scene, scene.rounds())
    assert said.endswith("does not answer")
    assert not state.exists()


def test_an_account_that_does_nothing_is_not_read_at_each_look(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of accounts would be hundreds of questions to the state every 5 s."""
    read: list[str] = []

    def viewed(account: Account, *rest: Any, **more: Any) -> AccountView:
        read.append(account.name)
        return view_of(account, *rest, **more)

    monkeypatch.setattr("sauce_janitor.daemon.status.view_of", viewed)
    rounds = scene.rounds()
    rounds.go()
    standing = DaemonStatus(rounds, scene.clock, scene.metrics)
    for _ in range(3):
        standing.look()
    assert read == ["eu"]
    # What a run of its own has changed is shown at once.
    scene.worked.wait = True
    scene.clock.at += HOUR
    rounds.go()
    until(lambda: scene.worked.waiting, "a run")
    standing.look()
    scene.worked.go_on.set()
    scene.settle(rounds)
    standing.look()
    standing.look()
    assert read == ["eu"] * 3
    assert standing.overview.accounts[0].now is None


def test_a_bucket_is_not_asked_at_each_look(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each worker looks every 5 s, and the answer is for each account."""
    looks: list[str | None] = []

    def away(_settings: object, known: str | None) -> str:
        looks.append(known)
        return "the bucket is away"

    monkeypatch.setattr("sauce_janitor.daemon.archive_probe.trouble", away)
    there = 'archive: {url: "s3://one", endpoint: "http://127.0.0.1:1"}'
    for head, asked in ((HEAD, 3), (re.sub(r"(?m)^archive: .*$", there, HEAD), 1)):
        looks.clear()
        scene.configure(head=head)
        rounds = scene.rounds(execute=True)
        rounds.go()
        standing = DaemonStatus(rounds, scene.clock, scene.metrics)
        for _ in range(3):
            standing.look()
            assert "the bucket is away" in standing.readiness.reasons
        assert len(looks) == asked
        rounds.close()


def test_a_state_that_is_gone_beside_its_archive_is_never_begun_anew(scene: Scene) -> None:
    archived(scene)
    state = scene.folder / "state.db"
    for each in scene.folder.glob("state.db*"):
        each.rename(scene.folder / f"kept-{each.name}")
    rounds = scene.rounds()
    (said,) = reasons(scene, rounds)
    assert said.startswith(f"the state {state} is gone, but the archive")
    assert "restore the state from a backup" in said
    assert not state.exists()
    for each in scene.folder.glob("kept-*"):
        each.rename(scene.folder / each.name.removeprefix("kept-"))
    assert reasons(scene, rounds) == ()


@pytest.mark.parametrize(
    "damage", [b"", b"not a database at all, but long enough to be read as one" * 100]
)
def test_a_damaged_state_says_so_points_to_a_backup_and_is_taken_up_when_restored(
    scene: Scene, damage: bytes
) -> None:
    with State.open(scene.folder / "state.db"):
        pass
    state = scene.folder / "state.db"
    whole = state.read_bytes()
    state.write_bytes(damage)
    rounds = scene.rounds()
    (said,) = reasons(scene, rounds)
    assert "is damaged" in said
    assert "restore it from a backup" in said
    assert state.read_bytes() == damage
    state.write_bytes(whole)
    assert reasons(scene, rounds) == ()


def test_a_clock_in_1970_is_told_and_begins_no_delete(scene: Scene) -> None:
    scene.clock.at = 12 * HOUR
    (said,) = reasons(scene, scene.rounds())
    assert said.startswith("this machine's clock says 1970-01-01")


def test_a_secret_that_cannot_be_had_is_told_until_it_is_there(scene: Scene) -> None:
    rounds = scene.rounds()
    scene.worked.error = ConfigError(
        "the file /run/secrets/key cannot be read: No such file or directory"
    )
    scene.go(rounds, HOUR)
    assert reasons(scene, rounds) == (
        "account eu: the file /run/secrets/key cannot be read: No such file or directory",
    )
    scene.worked.error = None
    scene.go(rounds, HOUR)
    assert reasons(scene, rounds) == ()


def test_a_configuration_that_is_not_valid_is_told(scene: Scene) -> None:
    rounds = scene.rounds()
    scene.configure("nonsense: 1\n")
    rounds.reload()
    (said,) = reasons(scene, rounds)
    assert said.startswith("the configuration is not valid:")
    assert "sauce_janitor_config_reload_success 0.0" in scene.metrics.page().decode()
    scene.configure()
    rounds.reload()
    assert reasons(scene, rounds) == ()
    assert "sauce_janitor_config_reload_success 1.0" in scene.metrics.page().decode()


def test_a_run_that_should_have_begun_long_ago_is_overdue_unless_one_is_under_way(
    scene: Scene,
) -> None:
    rounds = scene.rounds()
    rounds.go()
    standing = DaemonStatus(rounds, scene.clock, scene.metrics)
    scene.clock.at += 17 * 60 + 590
    standing.look()
    assert standing.readiness.ready
    scene.clock.at += 20
    standing.look()
    assert standing.readiness.reasons == ("account eu: its run is overdue",)
    scene.worked.wait = True
    rounds.go()
    standing.look()
    assert standing.readiness.ready


def test_a_pause_is_shown_and_counted_but_keeps_nobody_from_being_ready(scene: Scene) -> None:
    rounds = scene.rounds()
    rounds.go()
    assert rounds.state is not None
    rounds.state.switch.pause(by="jane", reason="<b>audit</b>", at=START)
    standing = DaemonStatus(rounds, scene.clock, scene.metrics)
    standing.look()
    assert standing.readiness.ready
    assert standing.overview.paused == "By jane: <b>audit</b>. `sauce-janitor resume` lifts it."
    assert "sauce_janitor_paused 1.0" in scene.metrics.page().decode()


def test_others_on_the_state_know_when_the_next_run_is(scene: Scene) -> None:
    rounds = scene.rounds(execute=True)
    rounds.go()
    assert rounds.state is not None
    DaemonStatus(rounds, scene.clock, scene.metrics).look()
    (beat,) = heartbeat.alive(rounds.state.notes, now=START + 60)
    assert (beat.mode, beat.next_runs) == ("execute", {"eu": START + 17 * 60})
    assert heartbeat.alive(rounds.state.notes, now=START + 600) == ()


def test_a_state_that_another_process_keeps_locked_is_told_and_waited_for(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sauce_janitor.state.database.sqlite.BUSY_S", 0.05)
    rounds = scene.rounds()
    assert reasons(scene, rounds) == ()
    with closing(sqlite3.connect(scene.folder / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        scene.metrics.add("runs", account="eu", mode="dry_run", result="done")
        (said,) = reasons(scene, rounds)
        assert "another process keeps it locked" in said
        assert b'runs_total{account="eu",mode="dry_run",result="done"} 1.0' in scene.metrics.page()
        other.execute("ROLLBACK")
    assert reasons(scene, rounds) == ()


def test_how_things_stand_is_shown_while_nothing_can_be_kept(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sauce_janitor.state.database.sqlite.BUSY_S", 0.05)
    rounds = scene.rounds()
    rounds.go()
    scene.settle(rounds)
    scene.metrics.add("runs", account="eu", mode="dry_run", result="done")
    standing = DaemonStatus(rounds, scene.clock, scene.metrics)
    with closing(sqlite3.connect(scene.folder / "state.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        standing.look()
        other.execute("ROLLBACK")
    assert not standing.readiness.ready
    assert [view.next_run_at for view in standing.overview.accounts] == [START + 17 * 60]
