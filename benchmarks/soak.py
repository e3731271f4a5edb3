"""A month of the daemon in minutes: its clock, and the sandbox's, jump from one due time to the next.

The real daemon, as a process, works on a sandbox for a simulated month (default: a run an hour, about 15 minutes of real
time; `--every 12h` takes less than one) with new jobs arriving, reloads (a valid and an invalid file, SIGHUP), restarts
(SIGTERM and kill -9), a day on a full disk (a tmpfs, where this may be mounted; else a floor that no disk has) and a day of an
API that answers 503. It watches, and fails unless:

- memory, threads and descriptors stay flat;
- every due time has exactly one run, and no job's assets, and no job, are deleted twice at the sandbox or left over;
- counters never fall, and agree in the end with the journal and with the sandbox's request log.

`benchmarks/soak.py [--days 30] [--every 1h] [--jobs 200]`
"""

from __future__ import annotations

import argparse
import errno
import json
import mmap
import os
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

sys.path = [
    folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent
]
"""Without this folder: its requests.py is a benchmark and not the library."""

HOUR, DAY = 3600, 86_400
DISK_MB: Final = 160
_real_time = time.time
CONFIG = """
accounts:
  box: {base_url: "BASE_URL", username: demo, access_key: {env: SOAK_KEY}, retries: {attempts: 1}}
archive: {path: ./archive, min_free: FLOOR}
state: {path: ./state.db}
schedule: {cron: "CRON", jitter: 0s}
web: {listen: "127.0.0.1:0"}
limits: {max_percent: null}
holds: [{tag: keep}]
policies:
  - {name: everything, match: all, then: {archive: 1h, delete_assets: 10d, delete_job: 20d}}
"""
_SERIES = re.compile(r"^(sauce_janitor_\w+(?:\{[^}]*\})?) (\S+)$", re.MULTILINE)


class SharedClock:
    """The time of all processes that map the file: this machine's, and an offset that only
    grows.
    """

    def __init__(self, file: Path) -> None:
        with file.open("r+b") as opened:
            self._map = mmap.mmap(opened.fileno(), 8)

    @property
    def offset(self) -> float:
        return float(struct.unpack("d", self._map[:8])[0])

    def now(self) -> float:
        return _real_time() + self.offset

    def jump_to(self, moment: float) -> None:
        self._map[:8] = struct.pack("d", max(self.offset, moment - _real_time()))

    def rule(self) -> None:
        """This process lives in it from now on, and so does APScheduler, which reads the date."""
        from apscheduler.schedulers import base

        time.time = clock = self.now

        class SharedDatetime(datetime):
            @classmethod
            def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
                return datetime.fromtimestamp(clock(), tz)

        base.datetime = SharedDatetime


def serve(folder: Path) -> int:
    """The daemon's process: what `serve --execute` does, in the shared time and at a quick pace."""
    SharedClock(folder.parent / "clock").rule()
    os.chdir(folder)
    from sauce_janitor import logs
    from sauce_janitor.cli.setup.serve import run_until_signal
    from sauce_janitor.config import load
    from sauce_janitor.daemon.daemon import Daemon
    from sauce_janitor.daemon.rounds import LookInterval

    logs.configure("json", "info")
    pace = LookInterval(round_s=0.02, watch_s=0.1, follow_s=0.1, reopen_s=0.1, token_s=10)
    return run_until_signal(Daemon(load(Path("config.yaml")), execute=True, pace=pace))


@dataclass
class Life:
    """One process of the daemon: what it used, sample by sample."""

    process: subprocess.Popen[bytes]
    log: Path
    memory_kb: list[int] = field(default_factory=list)
    threads: int = 0
    descriptors: list[int] = field(default_factory=list)

    def url(self) -> str:
        """Where its pages are, waited for."""

        def found() -> str:
            assert self.process.poll() is None, self.log.read_text()[-3000:]
            match = re.search(r'"url": "([^"]+)"', self.log.read_text())
            return match[1] if match else ""

        return wait_for(found, "the daemon's address")

    def sample(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        self.memory_kb.append(int(re.findall(r"VmRSS:\s+(\d+)", status)[0]))
        self.threads = max(self.threads, int(re.findall(r"Threads:\s+(\d+)", status)[0]))
        self.descriptors.append(len(list(Path(f"/proc/{self.process.pid}/fd").iterdir())))


def wait_for(found: Callable[[], object], what: str) -> str:
    end = time.monotonic() + 90
    while not (got := found()):
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.01)
    return str(got)


class Soak:
    """The month: the sandbox, the daemon's lives, and what was seen."""

    def __init__(self, folder: Path, clock: SharedClock, options: argparse.Namespace) -> None:
        from sauce_janitor.sandbox import Sandbox, SandboxOptions

        self.folder, self.clock = folder, clock
        self.every_s: int = options.every
        self.sandbox = Sandbox(SandboxOptions(jobs=options.jobs, days=45)).start()
        self.lives: list[Life] = []
        self.seen: dict[str, float] = {}
        self.expected_runs = 0
        self.arrived: dict[str, float] = {}
        self.answered_s: list[float] = []

    # --- the daemon -------------------------------------------------------------------------------

    def configure(self, more: str = "", *, floor: str = "1kB") -> None:
        hours = self.every_s // HOUR
        text = CONFIG.replace("BASE_URL", self.sandbox.base_url).replace("FLOOR", floor)
        text = text.replace("CRON", "0 * * * *" if hours == 1 else f"0 */{hours} * * *")
        (self.folder / "config.new").write_text(text + more)
        (self.folder / "config.new").replace(self.folder / "config.yaml")

    def start(self) -> None:
        log = self.folder.parent / f"daemon-{len(self.lives)}.log"
        environment = {**os.environ, "SOAK_KEY": self.sandbox.access_key}
        with log.open("wb") as errors:
            process = subprocess.Popen(
                [sys.executable, __file__, "--serve", str(self.folder)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
            )
        self.lives.append(Life(process, log))
        wait_for(lambda: "Next run <time" in self.page(), "the next run on the page")

    def end(self, number: int) -> int:
        life = self.lives[-1]
        life.process.send_signal(number)
        return life.process.wait(timeout=60)

    def page(self) -> str:
        with urllib.request.urlopen(self.lives[-1].url(), timeout=30) as answer:
            return str(answer.read().decode())

    def next_run(self) -> int | None:
        """When the page says that the next run is due, epoch seconds."""
        found = re.search(r'Next run <time datetime="([^"]+)"', self.page())
        return int(datetime.fromisoformat(found[1]).timestamp()) if found else None

    def metrics(self) -> dict[str, float]:
        """All series; counters are checked to have grown."""
        began = time.monotonic()
        with urllib.request.urlopen(f"{self.lives[-1].url()}/metrics", timeout=30) as answer:
            page = answer.read().decode()
        self.answered_s.append(time.monotonic() - began)
        found = {name: float(value) for name, value in _SERIES.findall(page)}
        for name, value in self.seen.items():
            assert found.get(name, 0) >= value, f"{name} fell from {value} to {found.get(name)}"
        self.seen = {
            name: value
            for name, value in found.items()
            if re.match(r"\w+(_total|_bucket|_sum|_count)\b", name)
        }
        return found

    def runs(self) -> int:
        """How many runs have ended, by the metrics."""
        return int(sum(value for name, value in self.metrics().items() if "_runs_total" in name))

    # --- time -------------------------------------------------------------------------------------

    def step(self) -> None:
        """On to the next due time: a few new jobs, and exactly one run."""
        due = self.due()
        for number in range(2):
            tags = ["keep"] if len(self.arrived) % 25 == 0 else []
            job = self.sandbox.arrive(created_at=due - 600 * (number + 2), tags=tags)
            self.arrived[job] = due
        self.settle()
        self.clock.jump_to(due + 2)
        self.expected_runs += 1
        wait_for(lambda: self.runs() >= self.expected_runs, f"run {self.expected_runs}")
        self.lives[-1].sample()

    def due(self) -> int:
        """The next due time, epoch seconds."""
        passed = int(self.clock.now()) // self.every_s
        return (passed + 1) * self.every_s

    def settle(self) -> None:
        """Wait until the daemon waits for the next due time.

        The metrics count a run a moment before the daemon has dealt with it. A due time that passes
        in that moment passed during the run, and rightly has no run of its own; a daemon that stops
        in it runs again.
        """
        wait_for(
            lambda: self.next_run() == self.due(), "the daemon's waiting for the next due time"
        )

    def days(self, count: float) -> None:
        for _ in range(int(count * DAY / self.every_s)):
            self.step()

    # --- trouble ----------------------------------------------------------------------------------

    def reload(self) -> None:
        """A file that is not valid for a while, then one that is; the runs go on."""
        life = self.lives[-1]
        self.configure("nonsense: 1\n")
        wait_for(
            lambda: self.metrics()["sauce_janitor_config_reload_success"] == 0,
            "the fault in the metrics",
        )
        self.step()
        self.configure("workers: 3\n")
        life.process.send_signal(signal.SIGHUP)
        wait_for(
            lambda: self.metrics()["sauce_janitor_config_reload_success"] == 1,
            "the good file in force",
        )

    def restart(self, number: int) -> None:
        """Down over several due times: one run makes up for them."""
        self.settle()
        code = self.end(number)
        assert code == (0 if number == signal.SIGTERM else -number), code
        self.clock.jump_to((int(self.clock.now()) // self.every_s + 5) * self.every_s + 2)
        self.expected_runs += 1
        self.start()
        wait_for(lambda: self.runs() >= self.expected_runs, "the run that makes up for the others")

    def full_disk(self) -> None:
        with ballast(self.folder) as filled:
            if not filled:
                self.configure(floor="999TB")
                wait_for(lambda: "999," in self.not_ready(), "the full disk told")
            self.days(1)
            assert self.not_ready()
        self.configure()
        wait_for(lambda: not self.not_ready(), "ready again")

    def outage(self) -> None:
        fault = self.sandbox.inject("status", status=503, endpoint="*")
        self.days(1)
        assert fault.fired
        self.sandbox.faults.disarm()

    def not_ready(self) -> str:
        try:
            urllib.request.urlopen(f"{self.lives[-1].url()}/readyz", timeout=30).close()
        except urllib.error.HTTPError as answer:
            with closing(answer):
                return answer.read().decode()
        return ""

    # --- the end ----------------------------------------------------------------------------------

    def judge(self) -> None:
        """Everything that must be true of a month."""
        found = self.metrics()
        assert self.end(signal.SIGTERM) == 0
        self._judge_runs()
        self._judge_deletes(found)
        self._judge_lives()
        self._tell_speed()

    def _judge_runs(self) -> None:
        from sauce_janitor.state import State

        with State.open(self.folder / "state.db") as state:
            results = Counter(run.result for run in state.runs.last("box", limit=10_000))
            self.journal = Counter(
                line.action.value
                for line in state.journal.lines("box")
                if line.outcome == "confirmed" and line.action
            )
            assert not state.journal.unresolved("box")
        assert None not in results, results
        print(f"runs: {dict(results)}, expected {self.expected_runs}")

    def _judge_deletes(self, found: dict[str, float]) -> None:
        sent: Counter[tuple[str, str]] = Counter()
        for entry in self.sandbox.log:
            if entry.method == "DELETE" and entry.endpoint and entry.status and entry.status < 300:
                sent[entry.endpoint, re.findall("[0-9a-f]{32}", entry.path)[0]] += 1
        assert max(sent.values()) == 1, "something was deleted twice"
        at_sauce = Counter(endpoint for endpoint, _ in sent)
        assert self.journal["delete_job"] == at_sauce["job.delete"]
        assert self.journal["delete_assets"] == at_sauce["assets.delete"]
        for action, endpoint in (("delete_job", "job.delete"), ("delete_assets", "assets.delete")):
            done = sum(
                value
                for name, value in found.items()
                if "_actions_total" in name
                and f'action="{action}"' in name
                and 'outcome="done"' in name
            )
            assert done == at_sauce[endpoint], (action, done, at_sauce)
        asked = sum(value for name, value in found.items() if "_api_requests_total" in name)
        assert asked == len(self.sandbox.log), (asked, len(self.sandbox.log))
        late = self.clock.now() - 20 * DAY - 2 * self.every_s
        left = [
            job
            for job, at in self.arrived.items()
            if at < late and not self._is_held(job) and self._exists(job)
        ]
        assert not left, f"{len(left)} jobs were to be deleted and are still there"
        assert not [job for job in self.arrived if self._is_held(job) and not self._exists(job)], (
            "a held job is gone"
        )
        print(f"deleted: {dict(at_sauce)}; {asked:,.0f} requests, all of them in the metrics")

    def _tell_speed(self) -> None:
        taken = sorted(self.answered_s)
        p50, p99 = (taken[int(len(taken) * share)] * 1000 for share in (0.5, 0.99))
        print(
            f"/metrics answered {len(taken)} times, in {p50:.0f} ms (median) and {p99:.0f} ms (99"
            " of 100)"
        )

    def _exists(self, job: str) -> bool:
        truth = self.sandbox.truth(job)
        return truth is not None and truth.exists

    def _is_held(self, job: str) -> bool:
        truth = self.sandbox.truth(job)
        return truth is not None and truth.document.get("tags") == ["keep"]

    def _judge_lives(self) -> None:
        for number, life in enumerate(self.lives):
            memory = life.memory_kb
            third = len(memory) // 3
            assert life.threads <= 32, life.threads
            opened = life.descriptors
            assert max(opened, default=0) <= 128, opened
            if third:
                before, after = max(memory[:third]), max(memory[-third:])
                assert max(opened[-third:]) <= max(opened[:third]) + 16, (
                    f"life {number}: descriptors leak: {opened}"
                )
                assert after <= 1.1 * before + 8 * 1024, (
                    f"life {number}: memory grew from {before} to {after} kB"
                )
                print(
                    f"life {number}: {len(memory)} runs, {before / 1024:.0f} MB in the first third,"
                    f" {after / 1024:.0f} MB in the last, {life.threads} threads, at most"
                    f" {max(opened)} descriptors"
                )


@contextmanager
def ballast(folder: Path) -> Iterator[bool]:
    """Fill the folder's disk to the last byte, if it is one that was mounted for it; whether it
    was.
    """
    if not os.path.ismount(folder):
        yield False
        return
    file = folder / "ballast"
    with file.open("wb", buffering=0) as heavy:
        try:
            while True:
                heavy.write(b"\0" * 65_536)
        except OSError as full:
            if full.errno != errno.ENOSPC:
                raise
    try:
        yield True
    finally:
        file.unlink()


@contextmanager
def disk(folder: Path) -> Iterator[Path]:
    """A small disk of its own for the daemon, where it may be mounted; else a plain folder."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    try:
        yield folder
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", str(folder)], check=False)


def soak(options: argparse.Namespace) -> None:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as top, disk(Path(top) / "janitor") as folder:
        (Path(top) / "clock").write_bytes(struct.pack("d", 0.0))
        clock = SharedClock(Path(top) / "clock")
        clock.rule()
        month = Soak(folder, clock, options)
        try:
            part = options.days / 10
            month.configure()
            month.start()
            month.days(2 * part)
            month.reload()
            month.days(part)
            month.restart(signal.SIGTERM)
            month.days(2 * part)
            month.outage()
            month.days(part)
            month.restart(signal.SIGKILL)
            month.days(part)
            month.full_disk()
            month.days(2 * part)
            month.judge()
        except BaseException:  # told where it stood, and raised again
            print(month.lives[-1].log.read_text()[-4000:], file=sys.stderr)
            raise
        finally:
            month.sandbox.stop()
            with suppress(ProcessLookupError):
                month.lives[-1].process.kill()
            month.lives[-1].process.wait()
    days = clock.offset / DAY
    print(
        json.dumps(
            {
                "simulated_days": round(days, 1),
                "runs": month.expected_runs,
                "seconds": round(time.monotonic() - began),
            }
        )
    )


def duration(text: str) -> int:
    assert re.fullmatch(r"\d+h", text), "hours, such as 6h"
    return int(text[:-1]) * HOUR


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--every", type=duration, default=HOUR)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        sys.exit(serve(arguments.serve))
    soak(arguments)
