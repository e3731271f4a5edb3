"""What several machines and a bucket cost: the journal on PostgreSQL, the archive in S3, many
credentials beside one, and how long a dead worker's account waits.

- `journal`: intents with their outcomes a second, and the 95th percentile of a pair, with 1, 4, 16
  and 32 accounts at once, four in a process as in a worker; beside bare commits of one connection.
  PostgreSQL as by default: what is acknowledged is on the disk.
- `archive`: 18 jobs of 15 files (5 kB to 5 MB), stored, read back and committed by a conditional
  receipt; beside boto3 doing the same. Each in a process of its own, interleaved.
- `credentials`: several accounts at 10 requests a second each on four workers, 40 ms away; beside
  one account on one worker. `credentials 32` takes more than two cores.
- `takeover`: from kill -9 of a busy worker to the first write of another one.

`benchmarks/scale.py [PART [NUMBER]]`, by default all. Needs PostgreSQL and SeaweedFS
(.ci/components) and, for boto3, `.ci/venv bench`; what is missing is said, and its part left out.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sauce_janitor.model.archive.locations import S3Location

ROOT = Path(__file__).resolve().parents[1]
sys.path = [
    str(ROOT),
    *(folder for folder in sys.path if Path(folder).resolve() != Path(__file__).parent.resolve()),
]
"""Without this folder: its requests.py is a benchmark and not the library."""

S3_KEYS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret"}
BOTO3 = ROOT / ".venv-bench" / "bin" / "python"
SECONDS, IN_A_PROCESS = 6.0, 4
JOBS, FILES, AT_ONCE, LARGEST = 18, 15, 4, 5_000_000
NOISE = random.Random(1).randbytes(LARGEST)
PER_SECOND, LATENCY_S, DUE = 10, 0.04, 120
CONFIG = """
version: 1
accounts:
{accounts}
archive: {{{archive}}}
state: {{url: {{env: STATE_URL}}}}
concurrent_runs: {at_once}
limits: {{max_percent: null}}
schedule: {{cron: "17 3 1 1 *", jitter: 0s}}
web: {{listen: "127.0.0.1:0"}}
policies: [{{name: old, match: all, then: {{archive: {wish}, delete_job: 1h}}}}]
"""
ACCOUNT = """  {name}: {{base_url: "{url}", username: demo, access_key: {{env: KEY}}, \
budget: {{per_second: {per_second}, per_hour: 100000, burst: {per_second}}}}}"""


def component(command: str) -> Path:
    """Return the path of a program. Raise MissingError where it is not installed."""
    places = [*ROOT.glob(".components/*/bin"), *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    found = shutil.which(command, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    if found is None:
        raise MissingError(f"{command} is not installed: .ci/components installs it")
    return Path(found)


@contextmanager
def server(kind: str) -> Iterator[Any]:
    """Yield a server of the tests, with its data on the disk."""
    # In memory, a flush would cost nothing.
    os.environ.pop("PYTEST_DEBUG_TEMPROOT", None)
    if kind == "PostgreSQL":
        from tests.support.postgresql import Postgresql as Server
    else:
        from tests.support.seaweedfs import Seaweedfs as Server  # type: ignore[assignment]
    made = Server(component)
    try:
        yield made
    finally:
        made.close()


def child(*words: object, python: str | Path = sys.executable) -> subprocess.Popen[str]:
    """Start a part of this script in a process of its own, which prints JSON."""
    command = [str(python), __file__, *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> Any:
    """Return what it printed."""
    out, _ = process.communicate()
    assert process.returncode == 0, f"{process.args!r} ended with {process.returncode}"
    return json.loads(out)


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of all is below."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


# --- the journal ----------------------------------------------------------------------------------


def journal() -> None:
    """Measure and print pairs a second, by accounts at once."""
    with server("PostgreSQL") as postgresql:
        print(f"{'accounts':>10}{'pairs/s':>10}{'of one':>8}{'p95 ms':>9}{'bare commits/s':>16}")
        one = 0.0
        for accounts in (1, 4, 16, 32):
            url = postgresql.state()
            bare = bare_commits(postgresql)
            names = [f"a{number}" for number in range(accounts)]
            groups = [names[at : at + IN_A_PROCESS] for at in range(0, accounts, IN_A_PROCESS)]
            workers = [child("_journal", url, *group) for group in groups]
            took = [value for worker in workers for value in result(worker)]
            rate = len(took) / SECONDS
            one = one or rate
            p95 = 1000 * percentile(took, 0.95)
            print(f"{accounts:>10}{rate:>10.0f}{rate / one:>8.2f}{p95:>9.1f}{bare:>16.0f}")
            postgresql.drop(url)


def bare_commits(postgresql: Any) -> float:
    """Return how many rows a second one connection writes, each on the disk."""
    import psycopg

    url = postgresql.empty()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE line (number integer, hash text)")
        count, end = 0, time.perf_counter() + 2
        while time.perf_counter() < end:
            connection.execute("INSERT INTO line VALUES (%s, %s)", (count, "x" * 200))
            count += 1
    postgresql.drop(url)
    return count / 2


def write_journal(url: str, *accounts: str) -> list[float]:
    """Write pairs in a thread for each account; return how many seconds each took."""
    from sauce_janitor.model.jobs import job_id, owner_name
    from sauce_janitor.model.permits import DeleteJobPermit, Receipt
    from sauce_janitor.state import State

    took: list[float] = []
    ready = threading.Barrier(len(accounts))

    def write(account: str) -> None:
        state.accounts.admit(account, base_url="https://x", username="demo")
        with state.lease(account, "benchmark", now=int(time.time())) as lease:
            # As in a run: each line locks the lease and compares the fence.
            now = lambda: int(time.time())  # noqa: E731
            lines = state.journal.during(account, "run", now, fence=lease.fence)
            ready.wait()
            end = time.perf_counter() + SECONDS
            while (began := time.perf_counter()) < end:
                job = job_id(f"{random.getrandbits(128):032x}")
                receipt = Receipt("ab" * 32)
                owner = owner_name("demo")
                permit = DeleteJobPermit(job, owner, receipt, "fp", 1.0, lease.fence)
                lines.outcome(lines.intent(permit, policy="p"), "confirmed", detail="")
                took.append(time.perf_counter() - began)

    with State.connect(url) as state, ThreadPoolExecutor(len(accounts)) as pool:
        list(pool.map(write, accounts))
    return took


# --- the archive ----------------------------------------------------------------------------------


def files_of(number: int) -> dict[str, bytes]:
    """Return the files of a job: the same in every process, and quickly made."""
    chance = random.Random(number)
    small = [5_000, 20_000, 50_000, 50_000, 50_000, 100_000, 350_000]
    sizes = [chance.choice([*small, *small, LARGEST]) for _ in range(FILES)]
    return {
        f"{each:04d}.log": f"{number} {each}".encode() + NOISE[:size]
        for each, size in enumerate(sizes)
    }


def archive(rounds: int = 3) -> None:
    """Measure and print both, interleaved."""
    contenders: dict[str, str | Path] = {"ours": sys.executable}
    if BOTO3.exists():
        contenders["boto3"] = BOTO3
    else:
        print("boto3 is not installed: `.ci/venv bench` installs it; ours alone")
    seen: dict[str, list[Any]] = {name: [] for name in contenders}
    with server("SeaweedFS") as seaweedfs:
        for number in range(rounds):
            for name, python in contenders.items():
                place = (seaweedfs.endpoint, f"{name}-{number}")
                seen[name].append(result(child(f"_{name}", *place, python=python)))
    size = sum(len(data) for number in range(JOBS) for data in files_of(number).values()) / 1e6
    print(f"{JOBS * FILES} files, {size:.0f} MB; median of {rounds}")
    print(f"{'':8}{'wall s':>8}{'CPU s':>8}{'peak MiB':>10}")
    medians = {
        name: [statistics.median(column) for column in zip(*each, strict=True)]
        for name, each in seen.items()
    }
    for name, (wall, cpu, peak) in medians.items():
        print(f"{name:8}{wall:>8.2f}{cpu:>8.2f}{peak:>10.0f}")
    if "boto3" in medians:
        shares = [b / a for a, b in zip(medians["ours"], medians["boto3"], strict=True)]
        print("boto3 / ours: wall {:.2f}, CPU {:.2f}, peak {:.2f}".format(*shares))


def timed(work: Callable[[], None]) -> tuple[float, float, float]:
    """Return wall and CPU seconds, and the peak memory of the process in MiB."""
    began, cpu = time.perf_counter(), time.process_time()
    work()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return time.perf_counter() - began, time.process_time() - cpu, peak


def ours(endpoint: str, prefix: str) -> tuple[float, float, float]:
    """Store all jobs as a run does, four at a time."""
    from sauce_janitor.archive import Archive
    from sauce_janitor.model.archive.locations import S3Location
    from sauce_janitor.model.assets import EVERYTHING
    from tests.fakes.asset_shelf import AssetShelf, document
    from tests.support.archive import ORIGIN, ROOMY
    from tests.support.seaweedfs import BUCKET, KEY, SECRET

    where = S3Location(BUCKET, prefix, endpoint, credentials=lambda: (KEY, SECRET))
    with Archive.open(where, account="eu", known_uuid=None, settings=ROOMY) as opened:

        def store(number: int) -> None:
            shelf = AssetShelf(files_of(number))
            opened.store(document(number + 1), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)

        def work() -> None:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(store, range(JOBS)))

        return timed(work)


def boto3(endpoint: str, prefix: str) -> tuple[float, float, float]:
    """Do the same with boto3: put, read back and hash, then a receipt if there is none."""
    import boto3 as library  # type: ignore[import-not-found]

    (key, secret), bucket = S3_KEYS.values(), "archives"
    client = library.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id=key,
        aws_secret_access_key=secret,
    )  # fmt: skip

    def store(number: int) -> None:
        hashes = {}
        for name, data in files_of(number).items():
            path = f"{prefix}/{number}/{name}"
            client.put_object(Bucket=bucket, Key=path, Body=data, ChecksumAlgorithm="SHA256")
            digest = hashlib.sha256()
            for piece in client.get_object(Bucket=bucket, Key=path)["Body"].iter_chunks(1 << 20):
                digest.update(piece)
            hashes[name] = digest.hexdigest()
            assert hashes[name] == hashlib.sha256(data).hexdigest()
        body = json.dumps(hashes).encode()
        receipt = f"{prefix}/{number}/receipt.json"
        client.put_object(Bucket=bucket, Key=receipt, Body=body, IfNoneMatch="*")

    def work() -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(store, range(JOBS)))

    return timed(work)


# --- credentials and workers ----------------------------------------------------------------------


def vendor(jobs: str, latency_s: str = str(LATENCY_S)) -> None:
    """Serve one account as Sauce Labs does, until standard input ends."""
    from sauce_janitor.sandbox import Sandbox, SandboxOptions
    from sauce_janitor.sandbox.core.options import Rate

    rate = Rate(per_second=PER_SECOND)
    with Sandbox(SandboxOptions(jobs=int(jobs), days=28, rate=rate)) as sandbox:
        sandbox.inject("delay", seconds=float(latency_s))
        print(sandbox.base_url, flush=True)
        for line in sys.stdin:
            # After how many deletes, and when; or the whole log.
            if line.strip() == "deletes":
                print(sum(each.method == "DELETE" for each in sandbox.log), flush=True)
            else:
                rows = [(each.at, each.status, each.method) for each in sandbox.log]
                print(json.dumps(rows), flush=True)


class MissingError(Exception):
    """A program that a part needs is not installed."""


class Vendor:
    """A sandbox in a process of its own."""

    def __init__(self, jobs: int, latency_s: float = LATENCY_S) -> None:
        command = [sys.executable, __file__, "_vendor", str(jobs), str(latency_s)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()

    def ask(self, what: str) -> Any:
        """Return its answer to a line."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def has_deletes(self) -> bool:
        """Tell whether a worker is busy with it."""
        return bool(self.ask("deletes") > 5)

    def deletes_after(self, at: float) -> list[float]:
        """Return the times of deletes after a kill."""
        return [each for each, _, method in self.ask("log") if method == "DELETE" and each > at]

    def close(self) -> None:
        """End it."""
        self.process.communicate()


class Workers:
    """Several `serve --execute` on one state."""

    def __init__(
        self,
        folder: Path,
        url: str,
        vendors: list[Vendor],
        count: int,
        at_once: int,
        bucket: S3Location | None,
    ) -> None:
        from sauce_janitor.state import State

        self.url, self.folder = url, folder
        self.waits: dict[int, float] = {}
        accounts = "\n".join(
            ACCOUNT.format(name=f"a{number}", url=each.url, per_second=PER_SECOND)
            for number, each in enumerate(vendors)
        )
        archive, wish = "path: ./archive", "none"
        if bucket is not None:
            archive = f'url: "{bucket}", endpoint: "{bucket.endpoint}"'
            wish = "{after: 1h, assets: [log.json], discard: rest}"
        text = CONFIG.format(accounts=accounts, at_once=at_once, archive=archive, wish=wish)
        (folder / "config.yaml").write_text(text)
        with State.connect(url) as state:
            for number, _ in enumerate(vendors):
                state.notes.write(f"run:a{number}", "0")
        self.processes = [self._start(number) for number in range(count)]

    def _start(self, number: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "sauce_janitor", "--log-format", "json", "serve"]
        with (self.folder / f"log-{number}").open("wb") as log:
            return subprocess.Popen(
                [*command, "--execute"], cwd=self.folder, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
                env=os.environ | {"STATE_URL": self.url, "KEY": "demo-key", "PYTHONPATH": str(ROOT)} | S3_KEYS,
            )  # fmt: skip

    def events(self, number: int, event: str) -> list[dict[str, Any]]:
        """Return the lines of a worker's log about that event."""
        lines = (self.folder / f"log-{number}").read_text().splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line["event"] == event]

    def have_finished(self, runs: int) -> bool:
        """Tell whether so many runs have ended."""
        # Meanwhile: the queue forgets what is done.
        self.waits |= dispatched(self.url)
        numbers = range(len(self.processes))
        return sum(len(self.events(number, "run.finished")) for number in numbers) >= runs

    def close(self) -> None:
        """End all."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()


def wait_until(true: Callable[..., Any], *arguments: object) -> None:
    """Wait until it is true of these."""
    end = time.monotonic() + 900
    while not true(*arguments):
        assert time.monotonic() < end, f"never: {true.__doc__}"
        time.sleep(0.2)


@contextmanager
def cluster(
    accounts: int, workers: int, at_once: int, *, slow_s: float = LATENCY_S, in_s3: bool = False
) -> Iterator[tuple[Workers, list[Vendor]]]:
    """Yield workers whose accounts are due, and the accounts."""
    with ExitStack() as stack:
        state = stack.enter_context(server("PostgreSQL")).state()
        bucket = stack.enter_context(server("SeaweedFS")).location() if in_s3 else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        vendors = [Vendor(DUE, slow_s) for _ in range(accounts)]
        for each in vendors:
            stack.callback(each.close)
        made = Workers(folder, state, vendors, workers, at_once, bucket)
        stack.callback(made.close)
        yield made, vendors


def credentials(count: int = 8) -> None:
    """Measure and print many beside one."""
    print(f"{'accounts':>10}{'slowest s':>11}{'of one':>8}{'429':>5}{'most in a second':>18}")
    one = 0.0
    for accounts, workers in ((1, 1), (count, 4)):
        with cluster(accounts, workers, max(2, count // 4)) as (made, vendors):
            wait_until(made.have_finished, accounts)
            logs = [each.ask("log") for each in vendors]
            waits = list(made.waits.values())
        slowest = max(log[-1][0] - log[0][0] for log in logs)
        one = one or slowest
        refused = sum(status == 429 for log in logs for _, status, _ in log)
        most = max(most_in_a_second([at for at, status, _ in log if status != 429]) for log in logs)
        print(f"{accounts:>10}{slowest:>11.1f}{slowest / one:>8.2f}{refused:>5}{most:>18}")
        if waits:
            p50, p95 = (1000 * percentile(waits, share) for share in (0.5, 0.95))
            print(f"{'':10}queued to taken: p50 {p50:.0f} ms, p95 {p95:.0f} ms")


def dispatched(url: str) -> dict[int, float]:
    """Return how many seconds each piece of work waited in the queue."""
    import psycopg

    with psycopg.connect(url) as connection:
        rows = connection.execute(
            "SELECT job_id, extract(epoch FROM min(at) FILTER (WHERE type = 'started')"
            " - min(at) FILTER (WHERE type = 'deferred'))::float FROM procrastinate_events"
            " GROUP BY job_id"
        ).fetchall()
    return {int(job): float(waited) for job, waited in rows if waited is not None}


def most_in_a_second(times: list[float]) -> int:
    """Return the most requests in any second."""
    found, first = 0, 0
    for last, at in enumerate(times):
        while times[first] <= at - 1:
            first += 1
        found = max(found, last - first + 1)
    return found


def takeover(rounds: int = 3) -> None:
    """Measure and print the time from kill -9 to another worker's first delete."""
    for place, in_s3 in (("nothing archived", False), ("archive in S3", True)):
        took = [f"{one_takeover(in_s3=in_s3):.0f}" for _ in range(rounds)]
        print(f"take-over after kill -9, {place}: {' '.join(took)} s", flush=True)


def one_takeover(*, in_s3: bool) -> float:
    """Return how many seconds one took."""
    with cluster(1, 2, 2, slow_s=0.2, in_s3=in_s3) as (made, (account,)):
        wait_until(account.has_deletes)
        busy = next(number for number in (0, 1) if made.events(number, "run.begins"))
        made.processes[busy].send_signal(signal.SIGKILL)
        killed = time.time()
        # What the killed worker had sent may arrive a moment later.
        wait_until(account.deletes_after, killed + 5)
        return float(account.deletes_after(killed + 5)[0] - killed)


PARTS: dict[str, Callable[..., Any]] = {
    "journal": journal,
    "archive": archive,
    "credentials": credentials,
    "takeover": takeover,
}
CHILDREN: dict[str, Callable[..., Any]] = {
    "_journal": write_journal,
    "_ours": ours,
    "_boto3": boto3,
    "_vendor": vendor,
}


def main(words: list[str]) -> None:
    """Measure and print what is asked for."""
    if words and words[0] in CHILDREN:
        found = CHILDREN[words[0]](*words[1:])
        if found is not None:
            print(json.dumps(found))
        return
    for name, part in PARTS.items():
        if words and words[0] != name:
            continue
        print(f"-- {name}", flush=True)
        try:
            part(*map(int, words[1:]))
        except MissingError as missing:
            print(f"left out: {missing}")


if __name__ == "__main__":
    main(sys.argv[1:])
