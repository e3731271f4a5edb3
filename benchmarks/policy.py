"""How many jobs a second are decided on, on one core, with 1 and with 20 policies, beside filters
that others have.

Ours gives every job a decision with reasons for each action, ranks in groups (`last`, `within`) and
what is archived first. Beside it, in the same run: cloud-custodian's filters (PyPI c7n) and
jmespath, which only say whether a job matches and is old enough, keep no ranks and give no reasons.
They are installed into an environment of their own, .venv/bench, or left out with a line that says
so.

Usage: python benchmarks/policy.py [JOBS]   (default 1000000; the others get a tenth of them, for
they are slower) Each measurement is a process of its own, interleaved; jobs/s are of CPU time
without the making of the jobs, best of 3.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

NOW, DAY = 1_780_000_000, 86_400
OLD = 10 * DAY
SPAN = 231 * DAY
"""Over so long the jobs lie; most are older than OLD."""
ROUNDS, CHUNK = 3, 10_000
VERDICTS = ("passed", "failed", "error")
PEERS = Path(__file__).parent.parent / ".venv" / "bench"
HEAD = """
version: 1
accounts: {box: {base_url: "http://127.0.0.1:9", username: demo}}
archive: {path: ./archive}
state: {path: ./state.db}
policies:
"""
POLICY = """
  - name: policy-N
    match: {build: "suiteN-*", status: [passed, failed, error]}
    group_by: [name, os, browser]
    keep: [{id: recent, last: 20}, {id: last-green, last: 1, where: {status: passed}}, {id: week, within: 7d}]
    then: {archive: 2h, delete_assets: 10d, delete_job: 20d}
"""

_Job = TypeVar("_Job")


class Stream:
    """Jobs newest first, made in pieces; the CPU seconds of their making are counted apart."""

    def __init__(self, count: int, policies: int, make: Callable[[dict[str, Any]], _Job]) -> None:
        self._count, self._policies, self._make = count, policies, make
        self.making_s = 0.0

    def chunks(self) -> Iterator[list[Any]]:
        """Pieces of CHUNK jobs."""
        for start in range(0, self._count, CHUNK):
            began = time.process_time()
            piece = [
                self._make(self._row(number))
                for number in range(start, min(start + CHUNK, self._count))
            ]
            self.making_s += time.process_time() - began
            yield piece
            began = time.process_time()
            piece.clear()
            self.making_s += time.process_time() - began

    def __call__(self) -> Iterator[Any]:
        """One by one."""
        for piece in self.chunks():
            yield from piece

    def _row(self, number: int) -> dict[str, Any]:
        end = NOW - number * SPAN // self._count
        return {
            "id": f"{number:032x}",
            "name": f"test {number % 3000}",
            "build": f"suite{number % max(3, self._policies)}-{number // 200}",
            "status": "passed" if number % 7 else "failed",
            "os": "Windows 11",
            "browser": ("chrome", "firefox")[number % 2],
            "created_at": end - 70,
            "started_at": end - 60,
            "ended_at": end,
            "modified_at": end,
        }


def ours(count: int, policies: int) -> tuple[int, float]:
    """Decide on every job: how many are to lose their assets, and CPU seconds."""
    from sauce_janitor.config import load
    from sauce_janitor.model.jobs import Job, JobState, Owner, Record, Verdict
    from sauce_janitor.retention.decide import decide

    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "config.yaml"
        file.write_text(
            HEAD + "".join(POLICY.replace("N", str(number)) for number in range(policies))
        )
        rules = load(file).rules("box")
    owner = Owner("demo")
    stream = Stream(
        count, policies, lambda row: Record(Job(owner=owner, state=JobState.FINISHED, **row))
    )
    began, due = time.process_time(), 0
    for _, decisions in decide(rules, stream, as_of=NOW):
        due += decisions[1].verdict is Verdict.DUE
    return due, time.process_time() - began - stream.making_s


def c7n(count: int, policies: int) -> tuple[int, float]:
    """Each policy's filters over all jobs, as cloud-custodian runs them."""
    core = importlib.import_module("c7n.filters.core")
    registry = core.FilterRegistry("jobs")
    registry.register("value", core.ValueFilter)
    filters = []
    for number in range(policies):
        values: Iterable[tuple[str, str, object]] = (
            ("build", "glob", f"suite{number}-*"),
            ("status", "in", list(VERDICTS)),
            ("ended_at", "le", NOW - OLD),
        )
        parts = [
            {"type": "value", "key": key, "op": op, "value": value} for key, op, value in values
        ]
        made = registry.factory({"and": parts}, None)
        made.validate()
        filters.append(made)
    stream = Stream(count, policies, lambda row: row)
    began, found = time.process_time(), 0
    for piece in stream.chunks():
        for one in filters:
            found += len(one.process(piece))
    return found, time.process_time() - began - stream.making_s


def jmespath(count: int, policies: int) -> tuple[int, float]:
    """Each policy as one expression over each job."""
    library = importlib.import_module("jmespath")
    compiled = [
        library.compile(
            f"starts_with(build, 'suite{number}-') && contains(`{json.dumps(VERDICTS)}`, status) &&"
            f" ended_at <= `{NOW - OLD}`"
        )
        for number in range(policies)
    ]
    stream = Stream(count, policies, lambda row: row)
    began, found = time.process_time(), 0
    for job in stream():
        for expression in compiled:
            found += bool(expression.search(job))
    return found, time.process_time() - began - stream.making_s


CONTENDERS = {"sauce-janitor": ours, "c7n": c7n, "jmespath": jmespath}


def measured(python: str, who: str, count: int, policies: int) -> dict[str, float]:
    """One measurement in a process of its own: jobs, CPU seconds, peak memory."""
    command = [python, __file__, "one", who, str(count), str(policies)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def peers() -> tuple[str | None, str]:
    """The interpreter that has the others, or None and why not."""
    python = PEERS / "bin" / "python"
    if not (PEERS / "complete").exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(PEERS)],
            [str(python), "-m", "pip", "install", "-q", "c7n", "jmespath"],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                last = (
                    done.stderr.strip() or done.stdout.strip() or "no reason given"
                ).splitlines()[-1]
                return (
                    None,
                    f"c7n and jmespath are missing (`{' '.join(command[1:4])} …` failed: {last})",
                )
        (PEERS / "complete").touch()
    return str(python), ""


def main(count: int) -> None:
    """Measure and print."""
    others, why = peers()
    here: list[tuple[str, str, int]] = [("sauce-janitor", sys.executable, count)]
    there = [(name, others, max(1, count // 10)) for name in ("c7n", "jmespath")] if others else []
    print(f"{'':16}{'policies':>9}{'jobs':>11}{'jobs/s':>11}{'MB':>6}{'ours / theirs':>15}")
    for policies in (1, 20):
        rounds = [
            {name: measured(python, name, jobs, policies) for name, python, jobs in here + there}
            for _ in range(ROUNDS)
        ]
        best = {
            name: max((each[name] for each in rounds), key=lambda one: one["rate"])
            for name in rounds[0]
        }
        for name, one in best.items():
            ratio = (
                f"{best['sauce-janitor']['rate'] / one['rate']:.1f}"
                if name != "sauce-janitor"
                else ""
            )
            print(
                f"{name:16}{policies:>9}{one['jobs']:>11,}{one['rate']:>11,.0f}{one['mb']:>6.0f}{ratio:>15}"
            )
    if why:
        print(why)


def one(who: str, count: int, policies: int) -> None:
    """One measurement."""
    found, seconds = CONTENDERS[who](count, policies)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"jobs": count, "found": found, "rate": count / seconds, "mb": peak}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
