"""Plan time and memory by the number of jobs known, beside a naive client: every job a dict in one
list, sorted, looped over.

Usage: python benchmarks/plan.py [JOBS …]   (default 10000 100000 1000000) Each measurement is a
process of its own; prints CPU seconds (best of 3), peak memory and ratios within this run. Then what
a run adds to store the plan for pages, in place of one of the same jobs; with `STATE_URL`, the
address of a state on PostgreSQL, there.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

NOW = 1_780_000_000
ACCOUNT = "box"
ROUNDS = 3
# As random as those of Sauce Labs: the whole golden ratio, in 128 bits.
SPREAD = 0x9E3779B97F4A7C15F39CC0605CEDC835
POLICIES = """
version: 1
accounts: {box: {base_url: "http://127.0.0.1:9", username: demo}}
archive: {path: ./archive}
state: {path: ./state.db}
policies:
  - name: pull-requests
    match: {build: "PR-*"}
    then: {archive: none, delete_assets: 3d, delete_job: 14d}
  - name: nightly
    match: {build: "nightly-*"}
    group_by: [name, os, browser]
    keep: [{id: recent, last: 20}, {id: last-green, last: 1, where: {status: passed}}, {id: week, within: 7d}]
    then: {archive: {after: 2h, assets: [logs], discard: rest}, delete_assets: 10d, delete_job: 20d}
"""


def fill(folder: Path, count: int) -> None:
    """A state with so many jobs, over 45 days."""
    from sauce_janitor.model.jobs import Job, JobState, Owner, job_id
    from sauce_janitor.state import State as Store

    owner = Owner("demo")
    with Store.open(folder / "state.db") as store:
        store.accounts.admit(ACCOUNT, base_url="http://127.0.0.1:9", username="demo")
        jobs = store.jobs.of(ACCOUNT, owner)
        for start in range(0, count, 5000):
            page = []
            for number in range(start, min(start + 5000, count)):
                end = NOW - number * 45 * 86400 // count
                page.append(
                    Job(
                        id=job_id(f"{number * SPREAD % 2**128:032x}"),
                        owner=owner,
                        state=JobState.FINISHED,
                        name=f"test {number % 400}",
                        build=f"PR-{number // 50}" if number % 3 else f"nightly-{number // 3000}",
                        tags=("smoke",) if number % 2 else (),
                        status="passed" if number % 7 else "failed",
                        os=("Windows 10", "macOS 12", "Linux")[number % 3],
                        browser=("chrome", "firefox")[number % 2],
                        created_at=end - 60,
                        started_at=end - 59,
                        ended_at=end,
                        modified_at=end,
                    )
                )
            jobs.put(page, unreadable=(), mark=NOW, now=NOW, bookmark=None)


def ours(folder: Path) -> int:
    """The product's plan; how many jobs act."""
    count: int = planned(folder).job_count
    return count


def planned(folder: Path) -> Any:
    """The product's plan."""
    from sauce_janitor.config import load
    from sauce_janitor.retention.plan.planner import make_plan
    from sauce_janitor.state import Query
    from sauce_janitor.state import State as Store

    (folder / "config.yaml").write_text(POLICIES)
    rules = load(folder / "config.yaml").rules(ACCOUNT)
    with (
        Store.open(folder / "state.db") as store,
        store.jobs.snapshot(Query(ACCOUNT, None, rules.age_from, NOW)) as seen,
    ):
        return make_plan(rules, seen.records, as_of=NOW, accepted_at=None)


def kept(folder: Path) -> dict[str, float]:
    """What it takes to store the plan for pages in place of one that was stored before, and how
    long another thread waits for the state meanwhile.
    """
    from sauce_janitor.model.console.stored_plans import PlanFacts, PlanKind, PlannedAction
    from sauce_janitor.state import State as Store

    plan = planned(folder)
    counts = plan.rows.template_counts()
    kinds = tuple(
        PlanKind(tuple(PlannedAction(action, policy or "", ("due",)) for action, _, policy in each.actions))
        for each in plan.rows.template_list
    )  # fmt: skip
    facts = PlanFacts(
        account=ACCOUNT, run_id="r", mode="dry_run", as_of=NOW, policy_digest="", requests=0,
        jobs_known=plan.inventory, done_in_s=None, kinds=kinds, owners=plan.rows.owners,
        counts=tuple(counts.get(number, 0) for number in range(len(kinds))),
    )  # fmt: skip
    url, waits, is_over = os.environ.get("STATE_URL"), [0.0], threading.Event()

    def write_beside(store: Store) -> None:
        while not is_over.wait(0.005):
            began = time.perf_counter()
            store.notes.write("beside", "it")
            waits.append(time.perf_counter() - began)

    with Store.connect(url) if url else Store.open(folder / "state.db") as store:
        store.plans.store(facts, plan.rows.columns, at=NOW)
        began, clock = time.process_time(), time.perf_counter()
        store.plans.store(facts, plan.rows.columns, at=NOW + 1)
        found = {"cpu": time.process_time() - began, "wall": time.perf_counter() - clock}
        found["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        writer = threading.Thread(target=write_beside, args=(store,))
        writer.start()
        store.plans.store(facts, plan.rows.columns, at=NOW + 2)
        is_over.set()
        writer.join()
    return {"acting": plan.job_count, "waited": max(waits), **found}


def naive(folder: Path) -> int:
    """What a script would do: all rows as dicts in memory, sorted, then loops. Keeps and deletes of
    the second policy only.
    """
    import sqlite3
    from fnmatch import fnmatchcase

    connection = sqlite3.connect(folder / "state.db")
    connection.row_factory = sqlite3.Row
    jobs: list[dict[str, Any]] = [dict(row) for row in connection.execute("SELECT * FROM jobs")]
    connection.close()
    jobs.sort(key=lambda job: -job["ended_at"])
    groups: dict[tuple[str, ...], int] = defaultdict(int)
    green: set[tuple[str, ...]] = set()
    acting = 0
    for job in jobs:
        age = NOW - job["ended_at"]
        if fnmatchcase(job["build"], "PR-*"):
            acting += age >= 3 * 86400
        elif fnmatchcase(job["build"], "nightly-*"):
            group = (job["name"], job["os"], job["browser"])
            groups[group] += 1
            kept = groups[group] <= 20 or age <= 7 * 86400
            if job["status"] == "passed" and group not in green:
                green.add(group)
                kept = True
            acting += age >= 2 * 3600 or (not kept and age >= 10 * 86400)
    return acting


def measured(what: str, folder: Path) -> dict[str, float]:
    """Seconds and peak memory of one measurement, in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--" + what, str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def main(sizes: list[int]) -> None:
    """Measure and print."""
    print(
        f"{'jobs':>10} {'acting':>10} {'plan s':>8} {'jobs/s':>10} {'MB':>6} | {'naive s':>8}"
        f" {'MB':>6} | naive/ours s, MB"
    )
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            fill(folder, size)
            rounds = [(measured("ours", folder), measured("naive", folder)) for _ in range(ROUNDS)]
            stored = [measured("kept", folder) for _ in range(ROUNDS)]
        mine = min((a for a, _ in rounds), key=lambda one: one["seconds"])
        other = min((b for _, b in rounds), key=lambda one: one["seconds"])
        assert mine["acting"] == other["acting"], (mine, other)
        rate = size / mine["seconds"]
        print(
            f"{size:>10,} {mine['acting']:>10,.0f} {mine['seconds']:>8.2f} {rate:>10,.0f}"
            f" {mine['mb']:>6.0f} | {other['seconds']:>8.2f} {other['mb']:>6.0f} |"
            f" {other['seconds'] / mine['seconds']:.2f}, {other['mb'] / mine['mb']:.2f}"
        )
        best = min(stored, key=lambda one: one["cpu"])
        longest = min(one["waited"] for one in stored)
        print(
            f"{'':>10} stored for pages: {best['cpu']:.2f} s CPU, {best['wall']:.2f} s,"
            f" {best['mb']:.0f} MB with the plan;"
            f" another writer waited {1000 * longest:.0f} ms at most"
        )


def child(what: str, folder: Path) -> None:
    """One measurement; start-up has its own benchmark."""
    if what == "kept":
        print(json.dumps(kept(folder)))
        return
    if what == "ours":
        import sauce_janitor.config
        import sauce_janitor.retention.plan.planner
        import sauce_janitor.state  # noqa: F401
    began = time.process_time()
    acting = {"ours": ours, "naive": naive}[what](folder)
    seconds = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"acting": acting, "seconds": seconds, "mb": peak}))


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1].startswith("--"):
        child(sys.argv[1][2:], Path(sys.argv[2]))
    else:
        main([int(size) for size in sys.argv[1:]] or [10_000, 100_000, 1_000_000])
