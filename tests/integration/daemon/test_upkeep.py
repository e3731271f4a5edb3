"""The archive's daily upkeep: what is damaged is found and told, and a pause keeps nothing from
being verified.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sauce_janitor.config import Config, load
from sauce_janitor.daemon.work import a_run, an_upkeep
from sauce_janitor.metrics import Metrics
from sauce_janitor.notify import Notification
from sauce_janitor.operations.records.last_runs import recall
from sauce_janitor.operations.wiring.progress import ProgressTracker
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.state import State

TEXT = """
accounts: {eu: {base_url: "BASE_URL", username: demo, access_key: {env: KEY}}}
archive: {path: ./archive, min_free: 1kB}
state: {path: ./state.db}
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: 1h}}]
"""


class Scene:
    """An account whose archive holds something."""

    def __init__(self, config: Config, state: State, sandbox: Sandbox) -> None:
        self.config, self.state, self.sandbox = config, state, sandbox
        self.metrics, self.later_s = Metrics(), 0

    def tools(self) -> RunContext:
        return RunContext(
            self.config,
            self.state,
            self.metrics,
            ProgressTracker(),
            clock=lambda: time.time() + self.later_s,
        )

    def upkeep(self, *, days: int = 1, execute: bool = True) -> list[Notification]:
        """So many days of it."""
        told: list[Notification] = []
        for _ in range(days):
            self.later_s += 86_400
            told += an_upkeep(execute=execute)(self.config.account("eu"), self.tools()).messages
        return told


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=25)))
        (tmp_path / "config.yaml").write_text(TEXT.replace("BASE_URL", sandbox.base_url))
        config = load(tmp_path / "config.yaml", environ={"KEY": sandbox.access_key})
        state = stack.enter_context(State.open(config.state))
        yield Scene(config, state, sandbox)


def test_before_there_is_an_archive_there_is_nothing_to_keep_up(scene: Scene) -> None:
    assert scene.upkeep() == []
    assert not (scene.config.file.parent / "archive").exists()


def test_a_damaged_file_is_found_within_twenty_days_and_told(scene: Scene) -> None:
    a_run(execute=True)(scene.config.account("eu"), scene.tools())
    assert scene.upkeep(days=2) == []
    damaged = next(
        file
        for file in (scene.config.file.parent / "archive").rglob("assets/*")
        if file.stat().st_size > 10
    )
    with damaged.open("r+b") as file:
        file.write(b"X" * 10)
        os.fsync(file.fileno())
    asked = len(scene.sandbox.log)
    told = scene.upkeep(days=20)
    assert {tiding.event for tiding in told} == {"failed"}
    assert "1 finding in the archive; the first: " in told[0].text
    assert len(scene.sandbox.log) == asked, "the archive is kept up without asking Sauce Labs"
    # A daemon that starts again, or another worker, shows the same: an alert must not end by that.
    restarted = Metrics()
    recall(scene.config, scene.state, restarted)
    assert _verification(restarted) == _verification(scene.metrics) != []


def _verification(metrics: Metrics) -> list[str]:
    page = metrics.page().decode().splitlines()
    names = ("sauce_janitor_archive_findings{", "sauce_janitor_last_verification_timestamp")
    return [line for line in page if line.startswith(names)]


def test_while_paused_nothing_is_pruned_and_all_is_verified(scene: Scene) -> None:
    a_run(execute=True)(scene.config.account("eu"), scene.tools())
    scene.state.switch.pause(by="jane", reason="audit", at=1)
    told = scene.upkeep()
    assert [tiding.event for tiding in told] == ["refused"]
    assert b"sauce_janitor_last_verification_timestamp_seconds{" in scene.metrics.page()


def test_a_dry_run_daemon_verifies_and_prunes_nothing(scene: Scene) -> None:
    a_run(execute=True)(scene.config.account("eu"), scene.tools())
    scene.state.switch.pause(by="jane", reason="audit", at=1)
    assert scene.upkeep(execute=False) == []
    assert b"sauce_janitor_last_verification_timestamp_seconds{" in scene.metrics.page()
