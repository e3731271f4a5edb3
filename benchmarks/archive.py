"""How fast jobs are archived, durable and read back, beside what people write instead, from the same loopback server.

900 mixed files in 18 jobs (a 5 MB video, 45 screenshots of 50 kB, 4 logs of 350 kB each), four workers. Every contender runs
in a process of its own, interleaved; prints medians, MB/s, peak memory, and ratios within this run. Where curl is installed
it is measured as `curl --parallel` followed by `sha256sum`, which flushes nothing.

`benchmarks/archive.py [ROUNDS]` (default 3; take 7 for figures to keep); `benchmarks/archive.py large` prints the peak memory
for an asset of 1 MiB and of 1 GiB.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

JOBS, SCREENSHOTS, LOGS, WORKERS = 18, 45, 4, 4
NAMES = ("video.mp4", *(f"{n:04d}screenshot.png" for n in range(SCREENSHOTS)), *(f"part{n}.log" for n in range(LOGS)))
OWNER = "bench"


def body(name: str) -> Path:
    """The file that every asset of this name is served from."""
    kind = "large.bin" if name.startswith("large") else name.rpartition(".")[2]
    return Path(os.environ["BENCH_FILES"]) / kind


class Handler(BaseHTTPRequestHandler):
    """Sends a file by sendfile(2) for the last segment of any path."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer one request."""
        name = self.path.rpartition("/")[2]
        if name.startswith("large-"):
            self._send_zeros(int(name.partition("-")[2].partition(".")[0]))
            return
        with body(name).open("rb") as stored:
            size = os.fstat(stored.fileno()).st_size
            self._head(size)
            sent = 0
            while sent < size:
                sent += os.sendfile(self.connection.fileno(), stored.fileno(), sent, size - sent)

    def _head(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.flush()

    def _send_zeros(self, size: int) -> None:
        self._head(size)
        piece = bytes(1024 * 1024)
        for _ in range(size // len(piece)):
            self.wfile.write(piece)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def ours(url: str, root: Path, verify: str, names: tuple[str, ...] = NAMES, jobs: int = JOBS) -> None:
    """Store every job through the real client and the real archive."""
    from pydantic import SecretStr

    from sauce_janitor.archive import Archive, Floor, Origin, Settings
    from sauce_janitor.retention.assets import EVERYTHING
    from sauce_janitor.retention.model import AssetListing, Job, JobDocument, State, job_id, owner_name
    from sauce_janitor.sauce.connection import Connection
    from sauce_janitor.sauce.reading import SauceReader

    owner, listing = owner_name(OWNER), AssetListing(names)
    settings = Settings(verify="inline" if verify == "inline" else "reread", min_free=Floor(percent=0))
    reader = SauceReader(Connection(url, OWNER, SecretStr("key")))

    def store(number: int) -> None:
        job = Job(job_id(f"{number:032x}"), owner, State.FINISHED, ended_at=1_767_225_599)
        origin = Origin("bench", "run", url)
        archive.store(
            JobDocument(job, {}), listing, EVERYTHING, lambda name: reader.open_asset(owner, job.id, name), origin
        )

    with (
        Archive.open(root, account="bench", known_uuid=None, settings=settings) as archive,
        ThreadPoolExecutor(WORKERS) as pool,
    ):
        list(pool.map(store, range(jobs)))
    reader.close()


def naive(url: str, root: Path, *, durable: bool) -> None:
    """What a script does: requests, pieces of 8 KiB, sha256, open().write; with an fsync a file or without."""
    import requests

    local = threading.local()

    def fetch(task: tuple[int, str]) -> str:
        number, name = task
        session = local.__dict__.setdefault("session", requests.Session())
        digest = hashlib.sha256()
        folder = root / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        address = f"{url}/rest/v1/{OWNER}/jobs/{number:032x}/assets/{name}"
        with session.get(address, stream=True) as answer, (folder / name).open("wb") as target:
            for piece in answer.iter_content(8192):
                digest.update(piece)
                target.write(piece)
            if durable:
                target.flush()
                os.fsync(target.fileno())
        return digest.hexdigest()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(fetch, [(number, name) for number in range(JOBS) for name in NAMES]))


def curl(url: str, root: Path) -> None:
    """curl --parallel, then sha256sum over all of it."""
    lines = []
    for number in range(JOBS):
        (root / str(number)).mkdir(parents=True)
        for name in NAMES:
            lines += [
                f'url = "{url}/rest/v1/{OWNER}/jobs/{number:032x}/assets/{name}"',
                f'output = "{root / str(number) / name}"',
            ]
    listed = root / "list"
    listed.write_text("\n".join(lines))
    subprocess.run(
        ["curl", "-s", "--parallel", "--parallel-max", str(WORKERS), "-K", listed],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    subprocess.run(f"find {root} -type f -print0 | xargs -0 sha256sum > /dev/null", shell=True, check=True)


CONTENDERS: dict[str, Callable[[str, Path], None]] = {
    "archive (reread)": lambda url, root: ours(url, root, "reread"),
    "archive (inline)": lambda url, root: ours(url, root, "inline"),
    "requests, fsync a file": lambda url, root: naive(url, root, durable=True),
    "requests, no fsync": lambda url, root: naive(url, root, durable=False),
    "curl + sha256sum, no fsync": curl,
}


def one(contender: str, url: str, root: Path) -> None:
    """Run one contender here and print its seconds and peak memory (KiB) as JSON."""
    if "curl" not in contender:
        import sauce_janitor.archive
        import sauce_janitor.sauce.reading  # noqa: F401 - start-up has its own benchmark
    began = time.perf_counter()
    if contender.startswith("large"):
        ours(url, root, "reread", (f"{contender}.bin",), jobs=1)
    else:
        CONTENDERS[contender](url, root)
    seconds = time.perf_counter() - began
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))


def measured(contender: str, url: str, work: Path) -> tuple[float, int]:
    """One contender in a process of its own, from a disk with nothing left to write."""
    root = work / "out"
    root.mkdir()
    os.sync()
    command = [sys.executable, __file__, "one", contender, url, str(root)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    shutil.rmtree(root)
    seconds, memory = json.loads(answer)
    return float(seconds), int(memory)


def make_files(folder: Path) -> None:
    """The three kinds of bodies."""
    folder.mkdir()
    (folder / "mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + os.urandom(5_000_000))
    (folder / "png").write_bytes(b"\x89PNG\r\n\x1a\n" + os.urandom(50_000))
    (folder / "log").write_bytes(b"12:00:00.000 INFO a line of a log, as long as they are\n" * 6_500)


def main(what: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as held:
        work = Path(held)
        make_files(work / "files")
        os.environ["BENCH_FILES"] = str(work / "files")
        with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            try:
                if what == "large":
                    large(url, work)
                else:
                    compare(url, work, int(what))
            finally:
                server.terminate()


def large(url: str, work: Path) -> None:
    """Peak memory of one large asset beside a small one."""
    small, big = (measured(f"large-{size}", url, work)[1] for size in (1024**2, 1024**3))
    print(f"peak memory: 1 MiB asset {small:,} KiB, 1 GiB asset {big:,} KiB, difference {big - small:,} KiB")


def compare(url: str, work: Path, rounds: int) -> None:
    """All contenders, interleaved."""
    names = [name for name in CONTENDERS if not name.startswith("curl") or shutil.which("curl")]
    figures: dict[str, list[tuple[float, int]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            figures[name].append(measured(name, url, work))
    size = JOBS * sum(body(name).stat().st_size for name in NAMES)
    medians = {name: statistics.median(seconds for seconds, _ in each) for name, each in figures.items()}
    print(f"{JOBS * len(NAMES)} files, {size / 1e6:.0f} MB, {WORKERS} workers, {rounds} rounds, medians")
    for name, median in medians.items():
        memory = max(memory for _, memory in figures[name]) / 1024
        ratio = medians["requests, fsync a file"] / median
        print(
            f"{name:28} {median:6.2f} s  {size / median / 1e6:7.1f} MB/s  {memory:6.1f} MiB  {ratio:5.2f} x requests with fsync"
        )


def serve() -> None:
    """Serve until ended; prints the address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if sys.argv[1:2] == ["serve"]:
        serve()
    elif sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main(sys.argv[1] if sys.argv[1:] else "3")
