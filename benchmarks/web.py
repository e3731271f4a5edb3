"""How fast each page of the console answers over a large state while a run works, beside the page's
main query in plain SQL.

A state with 1,000,000 jobs over 45 days, 100,000 archived ones (five with real folders, the others
are rows of the index), a stored plan of 300,000, a journal of 2,000,000 lines (pairs of an intent
and an outcome; the only failure is the oldest one) and 5,000 runs; with `--jobs N` all of it is
smaller in proportion. Rows are inserted into the tables. `--cache FOLDER` keeps the state, on
SQLite, for the next time. `--postgresql` has it in a server of the tests (.ci/components).

The real `serve` answers, in a process of its own; in another one, a run plans over the inventory in
a loop. Pages are asked one after the other, in rounds, so that a busy moment of the machine does
not fall on one page. For each: p50 and p95 as its client sees them, CPU of `serve` for one answer,
p50 of the query, and page / query. `--idle` leaves the run out. A page that grows with the
inventory shows at another `--jobs`.

`benchmarks/web.py [--jobs N] [--rounds N] [--cache FOLDER] [--postgresql] [--idle] [PAGE …]`, by
default all pages; otherwise those whose name contains one of the words.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import itertools
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT = Path(__file__).resolve().parents[1]
sys.path = [
    str(ROOT),
    *(folder for folder in sys.path if Path(folder).resolve() != Path(__file__).parent.resolve()),
]
"""Without this folder: its requests.py is a benchmark and not the library."""

ACCOUNT, BASE_URL, DAY = "eu", "http://127.0.0.1:9", 86_400
NOW = int(time.time()) // DAY * DAY
AT_ONCE, REAL, PAIRS_A_RUN, MOST_RUNS = 10_000, 5, 200, 5_000
STATUSES = ("passed",) * 7 + ("failed", "error", "complete")
CONFIG = """
version: 1
accounts: {eu: {base_url: "http://127.0.0.1:9", username: demo, access_key: {env: KEY}}}
archive: {path: ./archive, min_free: 1kB}
state: STATE
schedule: {cron: "17 3 1 1 *", jitter: 0s}
web: {listen: "127.0.0.1:0"}
policies:
  - name: pull-requests
    match: {build: "PR-*"}
    then: {archive: none, delete_job: 31d}
  - name: nightly
    match: {build: "nightly-*"}
    group_by: [name, os, browser]
    keep: [{id: recent, last: 20}, {id: last-green, last: 1, where: {status: passed}}]
    then: {archive: {after: 31d, assets: [logs], discard: rest}, delete_job: 40d}
"""
SUMMARY = json.dumps({
    "phases": {"list": 12.5, "plan": 19.8, "execute": 731.2},
    "outcomes": {"delete_job_done": 200, "archive_done": 180, "archive_failed": 2},
    "plan": {
        "as_of": NOW, "policy_digest": "d", "jobs": 1_000_000, "held": 12, "incomplete": 0,
        "undecided": 3, "counts": {"delete_job": 200}, "by_policy": {
            f"policy {number}": {"archive": 90, "delete_job": 100} for number in range(20)
        },
        "announced": {}, "limits_broken": [], "requests_needed": 5_000, "budget": {},
        "expiring_24h": 0, "expiring_72h": 0, "overdue": {},
    },
    "owners": {"listed": 50}, "left": 0, "lost": 0, "waiting": {},
    "failures": [{"action": "archive", "policy": "nightly", "kind": None, "why": "503",
                  "jobs": 2, "examples": ["0" * 32]}],
})  # fmt: skip


def id_of(kind: str, number: int) -> bytes:
    """Return the id of a job: the same each time."""
    return hashlib.md5(f"{kind} {number}".encode(), usedforsecurity=False).digest()


# --- the state ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """How much of everything there is."""

    jobs: int

    @property
    def archived(self) -> int:
        return self.jobs // 10

    @property
    def pairs(self) -> int:
        return self.jobs

    @property
    def runs(self) -> int:
        return min(MOST_RUNS, max(20, self.pairs // PAIRS_A_RUN))


def job_rows(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Yield the inventory, newest first."""
    for number in range(sizes.jobs):
        end = NOW - number * 45 * DAY // sizes.jobs
        build = f"PR-{number // 50}" if number % 3 else f"nightly-{number // 3000}"
        yield {
            "account": ACCOUNT, "id": id_of("job", number), "owner": f"owner-{number % 50}",
            "state": "finished", "name": f"test {number % 400}", "build": build,
            "status": STATUSES[number % 10], "os": ("Windows 10", "macOS 12")[number % 2],
            "browser": ("chrome", "firefox")[number // 2 % 2], "created_at": end - 60,
            "started_at": end - 59, "ended_at": end, "modified_at": end, "marks": 0,
            "detailed": False, "gone": False, "first_seen": end, "changed_at": end,
            "listed_at": NOW, "assets": "present", "team_id": "",
        }  # fmt: skip


def archived_rows(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Yield the index of the archive, newest first: a year of it."""
    for number in range(REAL, sizes.archived):
        end = NOW - number * 365 * DAY // sizes.archived
        status = STATUSES[number // 50 % 10]
        job_id, owner = id_of("archived", number), f"owner-{number % 50}"
        error = None
        if status in ("failed", "error"):
            error = f"element #buy-{number % 977} not found after 30 s " + "in the page " * 8
        yield {
            "account": ACCOUNT, "job_id": job_id, "owner": owner,
            "place": f"{ACCOUNT}/{owner}/2025/01/01/{job_id.hex()}", "ended_at": end,
            "stored_at": end + 7200, "policy": "nightly", "assets": 15, "size_bytes": 3_000_000,
            "pruned": 0, "has_video": True, "name": f"checkout {number % 400}",
            "build": f"nightly-{number // 300}" if number % 10 else None, "status": status,
            "error": error, "os": "Windows 10", "browser": "chrome", "duration_s": 90,
        }  # fmt: skip


def journal_rows(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Yield pairs, oldest first, over a year."""
    noise = random.Random(1)
    for number in range(sizes.pairs):
        at = NOW - 365 * DAY + number * 365 * DAY // sizes.pairs
        common = {
            "account": ACCOUNT, "job_id": id_of("deleted", number), "at": at,
            "owner": f"owner-{number % 50}", "action": "delete_job", "policy": "pull-requests",
            "run_id": f"run-{number * sizes.runs // sizes.pairs}", "detail": '{"a": 1}',
        }  # fmt: skip
        first = 2 * number + 1
        outcome = "confirmed" if number else "failed"
        yield common | {
            "seq": first, "number": first, "kind": "intent", "intent": None, "outcome": None,
            "hash": noise.randbytes(32),
        }  # fmt: skip
        yield common | {
            "seq": first + 1, "number": first + 1, "kind": "outcome", "intent": first,
            "outcome": outcome, "hash": noise.randbytes(32),
        }  # fmt: skip


def run_rows(sizes: Sizes) -> Iterator[dict[str, Any]]:
    """Yield the runs, oldest first, over a year."""
    for number in range(sizes.runs):
        start = NOW - 365 * DAY + number * 365 * DAY // sizes.runs
        yield {
            "run_id": f"run-{number}", "account": ACCOUNT, "mode": "execute", "started_at": start,
            "ended_at": start + 365 * DAY // sizes.runs - 1, "result": "done", "summary": SUMMARY,
        }  # fmt: skip


def fill(folder: Path, url: str, sizes: Sizes) -> None:
    """Make the state, and the archive in the folder."""
    import sqlalchemy as sa

    from sauce_janitor.state import State
    from sauce_janitor.state.database import tables

    with State.connect(url) if url else State.open(folder / "state.db") as state:
        state.accounts.admit(ACCOUNT, base_url=BASE_URL, username="demo")
    engine = sa.create_engine(plain_url(folder, url))
    listings = [
        {"account": ACCOUNT, "owner": f"owner-{number}", "mark": NOW, "full_at": NOW, "longest_page": 500}
        for number in range(50)
    ]  # fmt: skip
    chain = {"account": ACCOUNT, "number": 2 * sizes.pairs, "hash": b"x" * 32}
    inserted: tuple[tuple[sa.Table, Iterable[dict[str, Any]]], ...] = (
        (tables.listings, listings), (tables.jobs, job_rows(sizes)),
        (tables.archived_jobs, archived_rows(sizes)), (tables.journal, journal_rows(sizes)),
        (tables.journal_chains, [chain]), (tables.runs, run_rows(sizes)),
    )  # fmt: skip
    for table, rows in inserted:
        left = iter(rows)
        while some := list(itertools.islice(left, AT_ONCE)):
            with engine.begin() as connection:
                connection.execute(sa.insert(table), some)
    if url:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))
    engine.dispose()
    finish(folder, url)


def finish(folder: Path, url: str) -> None:
    """Store the plan, and archive a few jobs really."""
    from sauce_janitor.archive import Archive, Catalogue, entry_of
    from sauce_janitor.model.assets import EVERYTHING
    from sauce_janitor.model.console.stored_plans import (
        PlanFacts,
        PlanKind,
        PlannedAction,
        PlanTotal,
    )
    from tests.fakes.asset_shelf import HAR, LOG, MP4, PNG, AssetShelf, document
    from tests.support.archive import ORIGIN, ROOMY

    with opened(folder, url) as (config, state):
        plan = planned(config, state)
        counts, totals = plan.rows.template_counts(), []
        kinds = tuple(
            PlanKind(tuple(PlannedAction(action, policy or "", ("due",)) for action, _, policy in each.actions))
            for each in plan.rows.template_list
        )  # fmt: skip
        for (policy, action), jobs in sorted(plan.counts.items()):
            totals.append(PlanTotal(policy or "", action, jobs, 0, float(jobs), 0.0))
        facts = PlanFacts(
            account=ACCOUNT, run_id="run-1", mode="execute", as_of=NOW, policy_digest="d",
            requests=0, jobs_known=plan.inventory, done_in_s=None, kinds=kinds,
            owners=plan.rows.owners, totals=tuple(totals),
            counts=tuple(counts.get(number, 0) for number in range(len(kinds))),
        )  # fmt: skip
        state.plans.store(facts, plan.rows.columns, at=NOW)
        location = config.archive.location
        with Archive.open(location, account=ACCOUNT, known_uuid=None, settings=ROOMY) as archive:
            for number in range(REAL):
                shots = {f"{shot:04d}screenshot.png": PNG for shot in range(20)}
                log = b"\n".join([LOG] * 500)
                shelf = AssetShelf({"log.json": log, "video.mp4": MP4, "a.har": HAR, **shots})
                made = document(number + 1, ended_at=NOW - number, name=f"checkout {number}")
                archive.store(made, shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
        with Catalogue.open(location) as catalogue:
            found = (entry_of(catalogue.root, place) for place in catalogue.places())
            state.archived.put(entry for entry in found if entry is not None)
            state.identity.remember_archive(str(location), catalogue.root.uuid)
            state.archived.mark(catalogue.root.uuid, state.journal.ends())
        state.figures.add_up(ACCOUNT, now=NOW + DAY)


def plain_url(folder: Path, url: str) -> str:
    """Return the state's address as SQLAlchemy writes it."""
    return url.replace("postgresql://", "postgresql+psycopg://") or f"sqlite:///{folder}/state.db"


@contextmanager
def opened(folder: Path, url: str) -> Iterator[tuple[Any, Any]]:
    """Yield the configuration and the open state."""
    from sauce_janitor.config import load
    from sauce_janitor.state import State

    where = "{url: {env: STATE_URL}}" if url else "{path: ./state.db}"
    (folder / "config.yaml").write_text(CONFIG.replace("STATE", where, 1))
    config = load(folder / "config.yaml", environ={"KEY": "demo-key", "STATE_URL": url})
    with State.connect(url) if url else State.open(folder / "state.db") as state:
        yield config, state


def planned(config: Any, state: Any) -> Any:
    """Return a plan, as a run makes it."""
    from sauce_janitor.retention.plan.planner import make_plan
    from sauce_janitor.state import Query

    rules = config.rules(ACCOUNT)
    with state.jobs.snapshot(Query(ACCOUNT, None, rules.age_from, NOW)) as seen:
        return make_plan(rules, seen.records, as_of=NOW, accepted_at=None)


def keep_planning(folder: str, url: str) -> None:
    """Plan until the process is ended."""
    with opened(Path(folder), url) as (config, state):
        while True:
            planned(config, state)


# --- the pages ------------------------------------------------------------------------------------


@dataclass
class Page:
    """A page, its main query, and what was measured (ms)."""

    name: str
    path: str
    sql: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    took: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    asked: list[float] = field(default_factory=list)

    def line(self) -> str:
        """Return what is printed of it."""
        p50, cpu = statistics.median(self.took), statistics.mean(self.cpu)
        p95 = sorted(self.took)[min(len(self.took) - 1, int(0.95 * len(self.took)))]
        text = f"{self.name:28}{p50:>8.1f}{p95:>8.1f}{cpu:>8.1f}"
        if not self.asked:
            return text
        query = statistics.median(self.asked)
        return f"{text}{query:>9.2f}{p50 / query:>7.1f}"


NEWEST: Final = "SELECT * FROM archived_jobs {} ORDER BY ended_at DESC, job_id LIMIT 100"
LINES: Final = "SELECT * FROM journal WHERE seq < :seq ORDER BY seq DESC LIMIT 100"
PART: Final = "SELECT content FROM plan_parts WHERE plan = :plan AND list = :list AND part = :part"


def pages(connection: Any, sizes: Sizes) -> list[Page]:
    """Return all pages."""
    import sqlalchemy as sa

    def one(sql: str) -> Any:
        return connection.execute(sa.text(sql)).one()

    plan = one("SELECT number FROM plans ORDER BY number DESC LIMIT 1")[0]
    skipped = sizes.archived * 9 // 10
    deep = one(NEWEST.format("").replace("100", f"1 OFFSET {skipped}"))
    row = {"plan": plan, "part": 0, "list": "jobs"}
    last_part = max(0, sizes.jobs * 25 // 100 // 256)
    listed, deleted = id_of("job", 17).hex(), id_of("deleted", 17)
    run, last = sizes.runs // 2, 2 * sizes.pairs
    archived = f"/jobs/{ACCOUNT}/{1:032x}"
    mark = f"{deep.ended_at}.{bytes(deep.job_id).hex()}.{deep.account}"
    rare = "SELECT * FROM (SELECT * FROM journal ORDER BY seq DESC LIMIT 20000) AS part"
    return [
        Page("overview", "/"),
        Page("plan", "/plan", PART, row),
        Page("plan filtered", "/plan?policy=nightly&action=archive", PART, row | {"list": "kind"}),
        Page("plan of an owner", "/plan?owner=owner-7", PART, row | {"list": "owner"}),
        Page("plan deep", f"/plan?plan={plan}&after={256 * last_part}", PART, row | {"part": last_part}),
        Page("job known", f"/jobs/{ACCOUNT}/{listed}", "SELECT * FROM jobs WHERE account = 'eu' AND id = :id",
             {"id": bytes.fromhex(listed)}),
        Page("job deleted", f"/jobs/{ACCOUNT}/{deleted.hex()}",
             "SELECT * FROM journal WHERE job_id = :id", {"id": deleted}),
        Page("job archived", archived, "SELECT * FROM archived_jobs WHERE account = 'eu' AND job_id = :id",
             {"id": bytes(15) + b"\1"}),
        Page("job archived: a file", f"{archived}/files/0/lines?first=0"),
        Page("archive", "/archive", NEWEST.format("")),
        Page("archive by text", "/archive?q=buy-976", NEWEST.format(
             "WHERE lower(name) LIKE :text OR lower(error) LIKE :text"), {"text": "%buy-976%"}),
        Page("archive by text: none", "/archive?q=nowhere", NEWEST.format(
             "WHERE lower(name) LIKE :text OR lower(error) LIKE :text"), {"text": "%nowhere%"}),
        Page("archive by build", "/archive?build=nightly-100", NEWEST.format("WHERE build = 'nightly-100'")),
        Page("archive by owner, status", "/archive?owner=owner-7&status=failed",
             NEWEST.format("WHERE owner = 'owner-7' AND status = 'failed'")),
        Page("archive deep", f"/archive?after={mark}&page={skipped // 100 + 1}",
             NEWEST.format("WHERE ended_at <= :at"), {"at": deep.ended_at}),
        Page("archive: a test", "/archive/test?name=checkout+7", NEWEST.format("WHERE name = 'checkout 7'")),
        Page("builds", "/archive/builds",
             "SELECT account, owner, build, count(*), max(ended_at), sum(size_bytes) FROM archived_jobs"
             " GROUP BY account, owner, build ORDER BY max(ended_at) DESC LIMIT 100"),
        Page("runs", "/runs", "SELECT * FROM runs WHERE account = 'eu' ORDER BY started_at DESC LIMIT 51"),
        Page("run", f"/runs/run-{run}", "SELECT * FROM runs WHERE run_id = :id", {"id": f"run-{run}"}),
        Page("journal", "/journal", LINES, {"seq": last}),
        Page("journal deep", f"/journal?before={last // 2}", LINES, {"seq": last // 2}),
        Page("journal filtered", "/journal?action=delete_job&outcome=confirmed", LINES, {"seq": last}),
        Page("journal rare match", "/journal?outcome=failed", f"{rare} WHERE outcome = 'failed'"),
        Page("journal of a run", f"/journal?run=run-{run}", LINES, {"seq": last // 2}),
        Page("journal of a job", f"/journal?job={deleted.hex()}",
             "SELECT * FROM journal WHERE job_id = :id", {"id": deleted}),
        Page("journal: account and job", f"/journal?account={ACCOUNT}&job={deleted.hex()}",
             "SELECT * FROM journal WHERE job_id = :id", {"id": deleted}),
        Page("journal: account, rare", f"/journal?account={ACCOUNT}&outcome=failed",
             f"{rare} WHERE outcome = 'failed'"),
        Page("changes", "/changes", "SELECT * FROM holds ORDER BY number DESC LIMIT 100"),
        Page("policies", "/policies"),
    ]  # fmt: skip


def cpu_ms(pid: int) -> float:
    """Return the CPU time of a process until now."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        # It ended since.
        with suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e6


def connected(url: str) -> http.client.HTTPConnection:
    """Return a connection to the server at this address."""
    return http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=120)


def ask(connection: http.client.HTTPConnection, path: str) -> int:
    """Ask for a page; return its status."""
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status


def measure(
    url: str, pid: int, shown: list[Page], rounds: int, sql: Callable[[Page], None]
) -> None:
    """Ask for all pages and their queries, in rounds; the first one only warms up."""
    connection = connected(url)
    for page in list(shown):
        if (status := ask(connection, page.path)) != 200:
            print(f"left out: {page.path} answers {status}")
            shown.remove(page)
    for _ in range(rounds):
        for page in shown:
            cpu, began = cpu_ms(pid), time.perf_counter()
            ask(connection, page.path)
            page.took.append(1000 * (time.perf_counter() - began))
            page.cpu.append(cpu_ms(pid) - cpu)
            if page.sql:
                began = time.perf_counter()
                sql(page)
                page.asked.append(1000 * (time.perf_counter() - began))


@contextmanager
def serving(folder: Path, url: str) -> Iterator[tuple[str, int]]:
    """Yield the address and the process of `serve`, which answers."""
    command = [sys.executable, "-m", "sauce_janitor", "--log-format", "json", "serve"]
    environment = os.environ | {"STATE_URL": url, "KEY": "demo-key", "PYTHONPATH": str(ROOT)}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, env=environment)
    try:
        end = time.monotonic() + 120
        while True:
            said = (folder / "serve.log").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < end, said
            lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
            found = [line["url"] for line in lines if line.get("event") == "daemon.started"]
            # It listens before it has opened the state.
            if found and ask(connected(found[0]), "/runs") == 200:
                break
            time.sleep(0.2)
        # The overview has looked at the account by then.
        time.sleep(3)
        yield found[0], process.pid
    finally:
        process.terminate()
        process.wait()


def state_of(stack: ExitStack, options: argparse.Namespace) -> tuple[Path, str]:
    """Return the folder and, on PostgreSQL, the address of the state."""
    url, sizes = "", Sizes(options.jobs)
    if options.postgresql:
        from tests.support.postgresql import Postgresql

        # In memory, a flush would cost nothing.
        os.environ.pop("PYTEST_DEBUG_TEMPROOT", None)
        server = Postgresql(component)
        stack.callback(server.close)
        url = server.state()
    if url or options.cache is None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    else:
        folder = Path(options.cache).resolve() / f"{sizes.jobs}-jobs"
    made = folder / "made"
    if not made.exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        began = time.perf_counter()
        fill(folder, url, sizes)
        made.touch()
        print(f"made the state in {time.perf_counter() - began:.0f} s", flush=True)
    return folder, url


def component(command: str) -> Path:
    """Return the path of a program of .ci/components, or of the system."""
    places = [*ROOT.glob(".components/*/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    found = shutil.which(command, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    assert found is not None, f"{command} is not installed: .ci/components installs it"
    return Path(found)


def main(options: argparse.Namespace) -> None:
    """Measure and print."""
    import sqlalchemy as sa

    with ExitStack() as stack:
        folder, url = state_of(stack, options)
        engine = sa.create_engine(plain_url(folder, url))
        connection = stack.enter_context(engine.connect())
        shown = [
            page for page in pages(connection, Sizes(options.jobs))
            if not options.pages or any(word in page.name for word in options.pages)
        ]  # fmt: skip

        def sql(page: Page) -> None:
            connection.execute(sa.text(page.sql), page.values).all()
            connection.rollback()

        address, pid = stack.enter_context(serving(folder, url))
        if not options.idle:
            run = subprocess.Popen([sys.executable, __file__, "_run", str(folder), url])
            stack.callback(run.wait)
            stack.callback(run.terminate)
        measure(address, pid, shown, options.rounds, sql)
        print(f"{options.jobs:,} jobs, {options.rounds} rounds; ms")
        print(f"{'page':28}{'p50':>8}{'p95':>8}{'CPU':>8}{'SQL p50':>9}{'ratio':>7}")
        for page in shown:
            print(page.line())


if __name__ == "__main__":
    if sys.argv[1:2] == ["_run"]:
        keep_planning(*sys.argv[2:])
    else:
        asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
        asked.add_argument("--jobs", type=int, default=1_000_000)
        asked.add_argument("--rounds", type=int, default=30)
        asked.add_argument("--cache")
        asked.add_argument("--postgresql", action="store_true")
        asked.add_argument("--idle", action="store_true")
        asked.add_argument("pages", nargs="*")
        main(asked.parse_args())
