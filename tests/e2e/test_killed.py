"""A run that is killed, at any moment and again and again, comes to the same end as one that nobody
disturbed.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.core.request_log import LoggedRequest
from tests.support.backends import Backend, Storage
from tests.support.processes import ENVIRONMENT, POLICIES, PROGRAM, UNHURRIED

JOBS = 150
HOUR, DAY = 3_600, 86_400
STOPPING = """  - name: runaways
    match: {not: {build: "nightly-*"}}
    then: {stop: 6h}
"""
BORDERS = (2 * HOUR, 6 * HOUR, *(days * DAY for days in (3, 10, 14, 20, 25, 30)))
ACTIONS = {"job.delete": "delete_job", "assets.delete": "delete_assets", "job.stop": "stop"}
OF_THE_PASS = frozenset({"archive", "run_id", "made_at", "fetched_at", "previous"})
"""What two equal copies say differently in their receipts: which pass made them, and when."""


@dataclass
class World:
    """A sandbox, a folder with a configuration for it, and what the sandbox saw of each run."""

    sandbox: Sandbox
    folder: Path
    storage: Storage
    running: subprocess.Popen[str] | None = None
    due: Callable[[LoggedRequest], float | None] = lambda _entry: None
    unannounced: list[str] = field(default_factory=list)
    _timers: list[threading.Timer] = field(default_factory=list)

    def start(self) -> subprocess.Popen[str]:
        """Start `run --execute`."""
        self.running = subprocess.Popen(
            [*UNHURRIED, "run", "--execute"], cwd=self.folder, env=ENVIRONMENT | self.storage.environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        return self.running

    def finish(self, *, code: int = 0) -> tuple[str, str]:
        """Run to the end, undisturbed."""
        self.due = lambda _entry: None
        process = self.start()
        out, err = process.communicate(timeout=120)
        assert process.returncode == code, f"ended {process.returncode}\n{out}\n{err}"
        return out, err

    def interrupt(
        self, number: signal.Signals, when: Callable[[LoggedRequest], float | None]
    ) -> int:
        """Run, and send the signal so many seconds after the request that `when` picks was decided;
        the return code.
        """
        process = self.start()
        sent = threading.Event()

        def send() -> None:
            if process.poll() is None:
                os.kill(process.pid, number)

        def due(entry: LoggedRequest) -> float | None:
            delay = when(entry)
            if delay is not None and not sent.is_set():
                sent.set()
                self._timers.append(threading.Timer(delay, send))
                self._timers[-1].start()
            return None

        self.due = due
        process.communicate(timeout=120)
        for timer in self._timers:
            timer.cancel()
            timer.join()
        self.storage.free_leases()
        return process.returncode

    def saw(self, entry: LoggedRequest) -> None:
        """Called by the server for each request, when its effect has happened and before it is
        answered.
        """
        if entry.method not in {"GET", "HEAD"} and not self._is_announced(entry):
            self.unannounced.append(entry.path)
        self.due(entry)

    def _is_announced(self, entry: LoggedRequest) -> bool:
        """Whether another process sees an open intent for this very write in the state."""
        return self.storage.state.is_intended(str(entry.job_id), ACTIONS[str(entry.endpoint)])

    # --- what came of it --------------------------------------------------------------------------

    def vendor(self) -> dict[str, tuple[Any, ...]]:
        """Every job that is still there: its document and its assets."""
        found = {}
        for job_id in self.sandbox.job_ids():
            truth = self.sandbox.truth(job_id)
            assert truth is not None
            found[job_id] = (truth.document, truth.assets)
        return found

    def archive(self) -> dict[str, str]:
        """Every file of the archive but its sentinel, owner and lease, with a hash of what it
        says.
        """
        return {path: _said(path, data) for path, data in self.storage.finished("box").items()}

    def outcomes(self) -> dict[tuple[str, str], list[str]]:
        """The outcomes on record of every job and action that succeeded, `archived` too; failed
        tries left out.
        """
        found: dict[tuple[str, str], list[str]] = {}
        with self.storage.state.open() as state:
            for line in state.journal.lines():
                if said := "archived" if line.kind == "archived" else line.outcome:
                    found.setdefault((line.job_id, line.action), []).append(said)
        kinds = {key: sorted(set(said) - {"failed", "unknown"}) for key, said in found.items()}
        # what Sauce Labs purged is found out by a delete, or by the daily look before there was one
        purged = (Action.DELETE_ASSETS, ["already_gone"])
        return {key: said for key, said in kinds.items() if said and (key[1], said) != purged}


def _said(path: str, data: bytes) -> str:
    if path.rpartition("/")[2].startswith("receipt"):
        data = json.dumps(_lasting(json.loads(data)), sort_keys=True).encode()
    return hashlib.sha256(data).hexdigest()


def _lasting(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lasting(each) for key, each in value.items() if key not in OF_THE_PASS}
    return [_lasting(each) for each in value] if isinstance(value, list) else value


def _seed_without_birthdays(now: int) -> int:
    """A seed of worlds in which no job comes of age while a test runs: the runs' own clock goes
    on.
    """
    for seed in range(1, 100):
        sandbox = Sandbox(SandboxOptions(jobs=JOBS, seed=seed, now=now))
        try:
            truths = [truth for job_id in sandbox.job_ids() if (truth := sandbox.truth(job_id))]
        finally:
            sandbox.stop()
        times = [truth.document[name] for truth in truths for name in ("end_time", "start_time")]
        ages = [now - stamp for stamp in times if isinstance(stamp, int)]
        if not any(0 <= border - age < 15 * 60 for border in BORDERS for age in ages):
            return seed
    raise AssertionError("in every world some job comes of age")


@pytest.fixture(scope="module")
def options() -> SandboxOptions:
    """One world for all the tests."""
    now = int(time.time())
    return SandboxOptions(jobs=JOBS, seed=_seed_without_birthdays(now), now=now)


@contextmanager
def _world(folder: Path, options: SandboxOptions, backend: Backend) -> Iterator[World]:
    folder.mkdir()
    with (
        Sandbox(options) as sandbox,
        backend.storage(folder) as storage,
        pytest.MonkeyPatch.context() as patch,
    ):
        made = World(sandbox, folder, storage)
        add = sandbox.log.add

        def watched(entry: LoggedRequest) -> None:
            add(entry)
            made.saw(entry)

        patch.setattr(sandbox.log, "add", watched)
        (folder / "config.yaml").write_text(
            storage.named_in(POLICIES.replace("BASE_URL", sandbox.base_url)) + STOPPING
        )
        yield made


@pytest.fixture(scope="module")
def undisturbed(
    tmp_path_factory: pytest.TempPathFactory, options: SandboxOptions, backend: Backend
) -> Iterator[World]:
    """A world after one run that nobody disturbed."""
    with _world(tmp_path_factory.mktemp("undisturbed") / "desk", options, backend) as made:
        made.finish()
        yield made


@pytest.fixture
def world(
    tmp_path: Path, options: SandboxOptions, backend: Backend, undisturbed: World
) -> Iterator[World]:
    """The same world, untouched. Its documents name the port, so the other one gives its up."""
    undisturbed.sandbox.stop()
    port = int(undisturbed.sandbox.base_url.rpartition(":")[2])
    with _world(tmp_path / "desk", replace(options, port=port), backend) as made:
        yield made


def _agree(world: World, undisturbed: World) -> None:
    """Judge the disturbed world by the other one, and by the rules that hold in any."""
    assert world.unannounced == []
    assert world.vendor() == undisturbed.vendor()
    assert world.outcomes() == undisturbed.outcomes()
    assert world.archive() == undisturbed.archive()
    verified = subprocess.run(
        [*PROGRAM, "archive", "verify"],
        cwd=world.folder,
        env=ENVIRONMENT | world.storage.environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    with world.storage.state.open() as state:
        assert state.journal.verify() > 0
        assert state.journal.unresolved("box") == ()
        for (job_id, action), sent in _writes(world.sandbox).items():
            lines = [line for line in state.journal.of(JobId(job_id)) if line.action == action]
            intents = [line for line in lines if line.kind == "intent"]
            final = Counter(line.outcome for line in lines if line.outcome not in {None, "unknown"})
            assert len(intents) >= sent, (
                f"{action} of {job_id} was sent {sent} times, and intended {len(intents)} times"
            )
            assert final["confirmed"] == 1, f"{action} of {job_id}: {final}"
            assert final.total() == len(intents)


def _writes(sandbox: Sandbox) -> Counter[tuple[str, str]]:
    return Counter(
        (str(entry.job_id), ACTIONS[str(entry.endpoint)]) for entry in sandbox.log.writes()
    )


def _at_request(number: int, delay: float) -> Callable[[LoggedRequest], float | None]:
    """Picks the request of that number, counted from 1."""
    seen = itertools.count(1)
    return lambda _entry: delay if next(seen) == number else None


def _at_write(number: int, delay: float) -> Callable[[LoggedRequest], float | None]:
    """Picks the write of that number."""
    seen = itertools.count(1)
    return lambda entry: (
        delay if entry.method in {"DELETE", "PUT"} and next(seen) == number else None
    )


def test_killed_a_dozen_times_a_run_ends_as_if_it_never_had_been(
    world: World, undisturbed: World
) -> None:
    chance = random.Random(1)
    kills = 0
    moments = [_at_request(1, 0.0), _at_request(2, 0.0), _at_request(3, chance.random() / 50)]
    for _ in range(6):
        # the answer to this write never arrives; a moment later the next ones are on their way
        moments.append(
            _at_write(chance.randint(1, 6), chance.choice([0.0, 0.0, chance.random() / 50]))
        )
        moments.append(_at_request(chance.randint(4, 40), chance.random() / 50))
    for moment in moments:
        kills += world.interrupt(signal.SIGKILL, moment) == -signal.SIGKILL
    assert kills >= 10, "too few of the runs lived to be killed"
    world.finish()
    _agree(world, undisturbed)
    again, _ = world.finish()
    assert (
        "Done: 0 jobs archived, assets of 0 jobs deleted, 0 jobs deleted, 0 jobs stopped" in again
    )


@pytest.mark.parametrize(
    ("number", "code", "moment"),
    [
        (signal.SIGTERM, 143, lambda: _at_request(1, 0.0)),
        (signal.SIGTERM, 143, lambda: _at_request(25, 0.01)),
        (signal.SIGTERM, 143, lambda: _at_write(1, 0.0)),
        (signal.SIGINT, 130, lambda: _at_write(3, 0.0)),
    ],
    ids=["listing", "archiving", "deleting", "deleting, by hand"],
)
def test_a_run_that_is_asked_to_stop_ends_cleanly_and_the_next_one_finishes(
    world: World,
    undisturbed: World,
    number: signal.Signals,
    code: int,
    moment: Callable[[], Callable[[LoggedRequest], float | None]],
) -> None:
    began = time.monotonic()
    assert world.interrupt(number, moment()) == code
    assert time.monotonic() - began < 20 + 10
    with (
        world.storage.state.open() as state,
        state.lease("box", "test", now=int(time.time())),
    ):
        assert state.journal.verify() >= 0
    assert world.storage.half_done() == []
    world.finish()
    _agree(world, undisturbed)
