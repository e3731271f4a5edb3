"""How fast jobs are archived, verified and durable, beside what people write instead, from the same
loopback server.

900 mixed files in 18 jobs (a video of 5, 10, 15 or 20 MB, 45 screenshots of 50 kB, 4 logs of 350 kB
each) from an nginx on loopback, four at a time. Every contender runs in a process of its own,
interleaved; prints medians and ratios within this run, MB/s, CPU and peak memory. `curl --parallel`
is followed by `sha256sum` and flushes nothing; `aria2c` compares checksums that it is given, and
flushes nothing either. The last line is the price of `archive.verify_before_delete: always`: the
time of reading all of it from the disk once more, as a share of archiving it.

`benchmarks/archive.py [ROUNDS]` (default 7); `benchmarks/archive.py memory` prints the peak memory
of 16 workers on 20 MB files, and of an asset of 1 MiB and of 1 GiB; `benchmarks/archive.py profile`
says where the time of one pass goes. Needs nginx, curl and aria2c (apt: nginx-light curl aria2).
"""

from __future__ import annotations

import cProfile
import hashlib
import json
import os
import pstats
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

sys.path = [
    folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent
]
"""Without this folder: its requests.py is a benchmark and not the library."""

JOBS, SCREENSHOTS, LOGS, WORKERS = 18, 45, 4, 4
VIDEOS = ("video05.mp4", "video10.mp4", "video15.mp4", "video20.mp4")
OWNER = "bench"
PORT = 18_473

NGINX = """
worker_processes 1;
daemon off;
pid {work}/nginx.pid;
error_log {work}/nginx.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  client_body_temp_path {work}/t1; proxy_temp_path {work}/t2; fastcgi_temp_path {work}/t3;
  uwsgi_temp_path {work}/t4; scgi_temp_path {work}/t5;
  server {{
    listen 127.0.0.1:{port};
    location ~ "/assets/[0-9]+(?<kind>screenshot[.]png)$" {{ alias {work}/files/$kind; }}
    location ~ "/assets/part[0-9](?<kind>[.]log)$" {{ alias {work}/files/part$kind; }}
    location ~ "/assets/(?<kind>[a-z0-9]+[.](mp4|bin))$" {{ alias {work}/files/$kind; }}
  }}
}}
"""


def names_of(number: int) -> tuple[str, ...]:
    """The assets of a job."""
    shots = (f"{n:04d}screenshot.png" for n in range(SCREENSHOTS))
    return (VIDEOS[number % len(VIDEOS)], *shots, *(f"part{n}.log" for n in range(LOGS)))


def body(name: str) -> Path:
    """The file that every asset of this name is served from."""
    kind = (
        "screenshot.png" if name.endswith(".png") else "part.log" if name.endswith(".log") else name
    )
    return Path(os.environ["BENCH_FILES"]) / kind


def address(url: str, number: int, name: str) -> str:
    """Where an asset is."""
    return f"{url}/rest/v1/{OWNER}/jobs/{number:032x}/assets/{name}"


def ours(
    url: str,
    root: Path,
    verify: str,
    *,
    jobs: list[tuple[str, ...]] | None = None,
    workers: int = WORKERS,
    then_read_back: bool = False,
) -> None:
    """Store every job through the real client and the real archive; then read each back, as before
    its delete.
    """
    from pydantic import SecretStr

    from sauce_janitor.archive import Archive, DiskReserve, StoreOrigin, WriteSettings
    from sauce_janitor.model.assets import EVERYTHING
    from sauce_janitor.model.jobs import (
        AssetListing,
        Job,
        JobDocument,
        JobState,
        job_id,
        owner_name,
    )
    from sauce_janitor.sauce.client import SauceReader
    from sauce_janitor.sauce.http.connection import Connection

    owner = owner_name(OWNER)
    settings = WriteSettings(
        verify="inline" if verify == "inline" else "reread", min_free=DiskReserve(percent=0)
    )
    reader = SauceReader(Connection(url, OWNER, SecretStr("key")))

    def store(task: tuple[int, tuple[str, ...]]) -> None:
        number, names = task
        job = Job(job_id(f"{number:032x}"), owner, JobState.FINISHED, ended_at=1_767_225_599)
        origin = StoreOrigin("bench", "run", url)
        archive.store(
            JobDocument(job, {}),
            AssetListing(names),
            EVERYTHING,
            lambda name: reader.open_asset(owner, job.id, name),
            origin,
        )

    def read_back(task: tuple[int, tuple[str, ...]]) -> None:
        proof = archive.read_back(owner, job_id(f"{task[0]:032x}"), ended_at=1_767_225_599)
        if proof is None or proof.findings:
            raise SystemExit(f"job {task[0]} does not read back as it was stored")

    tasks = list(
        enumerate(jobs if jobs is not None else [names_of(number) for number in range(JOBS)])
    )
    with (
        Archive.open(root, account="bench", known_uuid=None, settings=settings) as archive,
        ThreadPoolExecutor(workers) as pool,
    ):
        list(pool.map(store, tasks) if workers > 1 else map(store, tasks))
        if then_read_back:
            list(pool.map(read_back, tasks))
    reader.close()


def naive(url: str, root: Path, *, durable: bool) -> None:
    """What a script does: requests, pieces of 8 KiB, sha256, open().write; with an fsync a file or
    without.
    """
    import requests

    local = threading.local()

    def fetch(task: tuple[int, str]) -> str:
        number, name = task
        session = local.__dict__.setdefault("session", requests.Session())
        digest = hashlib.sha256()
        folder = root / str(number)
        folder.mkdir(parents=True, exist_ok=True)
        with (
            session.get(address(url, number, name), stream=True) as answer,
            (folder / name).open("wb") as target,
        ):
            for piece in answer.iter_content(8192):
                digest.update(piece)
                target.write(piece)
            if durable:
                target.flush()
                os.fsync(target.fileno())
        return digest.hexdigest()

    with ThreadPoolExecutor(WORKERS) as pool:
        list(
            pool.map(fetch, [(number, name) for number in range(JOBS) for name in names_of(number)])
        )


def curl(url: str, root: Path) -> None:
    """curl --parallel, then sha256sum over all of it."""
    lines = []
    for number in range(JOBS):
        (root / str(number)).mkdir(parents=True)
        for name in names_of(number):
            lines += [
                f'url = "{address(url, number, name)}"',
                f'output = "{root / str(number) / name}"',
            ]
    listed = root / "list"
    listed.write_text("\n".join(lines))
    subprocess.run(
        ["curl", "-sf", "--parallel", "--parallel-max", str(WORKERS), "-K", listed],
        check=True,
        stderr=subprocess.DEVNULL,
    )
    subprocess.run(
        f"find {root} -type f -print0 | xargs -0 sha256sum > /dev/null", shell=True, check=True
    )


def aria(url: str, root: Path) -> None:
    """aria2c with a checksum for every file."""
    known: dict[Path, str] = {}
    lines = []
    for number in range(JOBS):
        for name in names_of(number):
            file = body(name)
            if file not in known:
                known[file] = hashlib.sha256(file.read_bytes()).hexdigest()
            lines += [address(url, number, name), f"  dir={root / str(number)}", f"  out={name}",
                      f"  checksum=sha-256={known[file]}"]  # fmt: skip
    listed = root / "list"
    listed.write_text("\n".join(lines))
    command = [
        "aria2c",
        "-q",
        "-x1",
        f"-j{WORKERS}",
        "--file-allocation=none",
        "-V",
        "-i",
        str(listed),
    ]
    subprocess.run(command, check=True)


CONTENDERS: dict[str, Callable[[str, Path], None]] = {
    "archive (reread)": lambda url, root: ours(url, root, "reread"),
    "archive (reread), then read again": lambda url, root: ours(
        url, root, "reread", then_read_back=True
    ),
    "curl + sha256sum, no fsync": curl,
    "archive (inline)": lambda url, root: ours(url, root, "inline"),
    "requests, fsync a file": lambda url, root: naive(url, root, durable=True),
    "requests, no fsync": lambda url, root: naive(url, root, durable=False),
    "aria2c with checksums": aria,
}
BESIDE = "curl + sha256sum, no fsync"
STORED, READ_AGAIN = "archive (reread)", "archive (reread), then read again"


def one(contender: str, url: str, root: Path) -> None:
    """Run one contender here and print its seconds, CPU seconds and peak memory (KiB) as JSON."""
    if contender.startswith(("archive", "peak", "large")):
        import sauce_janitor.archive
        import sauce_janitor.sauce.client  # noqa: F401 - start-up has its own benchmark
    if contender.startswith("requests"):
        import requests  # noqa: F401
    began, spent = time.perf_counter(), sum(os.times()[:4])
    if contender.startswith("large"):
        ours(url, root, "reread", jobs=[(f"{contender}.bin",)])
    elif contender.startswith("peak"):
        ours(url, root, "reread", jobs=[(VIDEOS[-1],)] * 32, workers=16)
    else:
        CONTENDERS[contender](url, root)
    seconds, spent = time.perf_counter() - began, sum(os.times()[:4]) - spent
    print(json.dumps([seconds, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))


def measured(contender: str, url: str, work: Path) -> tuple[float, float, int]:
    """One contender in a process of its own, from a disk with nothing left to write."""
    root = work / "out"
    root.mkdir()
    os.sync()
    command = [sys.executable, __file__, "one", contender, url, str(root)]
    answer = subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout
    shutil.rmtree(root)
    seconds, spent, memory = json.loads(answer)
    return float(seconds), float(spent), int(memory)


def make_files(folder: Path) -> None:
    """The bodies; the large ones have holes instead of bytes."""
    folder.mkdir()
    for name in VIDEOS:
        size = int(name[5:7]) * 1_000_000
        box = (size - 24).to_bytes(4, "big") + b"mdat"
        with (folder / name).open(
            "wb"
        ) as file:  # in pieces: a process inherits the peak memory of its parent
            file.write(b"\x00\x00\x00\x18ftypmp42" + bytes(12) + box)
            while size > file.tell():
                file.write(os.urandom(min(500_000, size - file.tell())))
    (folder / "screenshot.png").write_bytes(
        b"\x89PNG\r\n\x1a\n" + os.urandom(50_000) + b"\0\0\0\0IEND\xaeB`\x82"
    )
    (folder / "part.log").write_bytes(
        b"12:00:00.000 INFO a line of a log, as long as they are\n" * 6_500
    )
    for mib in (1, 1024):
        with (folder / f"large{mib}.bin").open("wb") as file:
            file.truncate(mib * 1024**2)


@contextmanager
def served(work: Path) -> Iterator[str]:
    """An nginx that serves the files; its address."""
    (work / "nginx.conf").write_text(NGINX.format(work=work, port=PORT))
    (work).chmod(0o755)
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if nginx is None:
        print("not measured: needs nginx, curl and aria2c (apt-get install nginx-light curl aria2)")
        raise SystemExit(0)
    user = ["-g", f"user {os.environ.get('USER', 'root')};"] if os.getuid() == 0 else []
    with subprocess.Popen(
        [nginx, "-p", str(work), "-c", str(work / "nginx.conf"), *user]
    ) as server:
        try:
            _wait_for(PORT)
            yield f"http://127.0.0.1:{PORT}"
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    for _ in range(100):
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=1)
            connection.connect()
        except OSError:
            time.sleep(0.05)
        else:
            connection.close()
            return
    raise SystemExit("nginx does not answer")


def main(what: str) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as held:
        work = Path(held)
        make_files(work / "files")
        os.environ["BENCH_FILES"] = str(work / "files")
        with served(work) as url:
            if what == "memory":
                memory(url, work)
            elif what == "profile":
                profile(url, work)
            else:
                compare(url, work, int(what))


def memory(url: str, work: Path) -> None:
    """Peak memory of many workers, and of one large asset beside a small one."""
    print(
        "peak memory of 16 workers on 32 files of 20 MB:"
        f" {measured('peak', url, work)[2] / 1024:.1f} MiB"
    )
    small, big = (measured(f"large{mib}", url, work)[2] for mib in (1, 1024))
    print(
        f"peak memory: 1 MiB asset {small:,} KiB, 1 GiB asset {big:,} KiB, difference"
        f" {big - small:,} KiB"
    )


def profile(url: str, work: Path) -> None:
    """Where one worker's time goes."""
    (work / "out").mkdir()
    profiler = cProfile.Profile()
    names = [names_of(number) for number in range(4)]
    ours(url, work / "out" / "warm", "reread", jobs=names, workers=1)
    profiler.enable()
    ours(url, work / "out" / "timed", "reread", jobs=names, workers=1)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(45)


def compare(url: str, work: Path, rounds: int) -> None:
    """All contenders, interleaved."""
    tools = {"curl": "curl", "aria2c": "aria2c"}
    names = [name for name in CONTENDERS if shutil.which(tools.get(name.split()[0], "true"))]
    figures: dict[str, list[tuple[float, float, int]]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            figures[name].append(measured(name, url, work))
    size = sum(body(name).stat().st_size for number in range(JOBS) for name in names_of(number))
    print(
        f"{JOBS * (1 + SCREENSHOTS + LOGS)} files, {size / 1e6:.0f} MB, {WORKERS} at a time,"
        f" {rounds} rounds, medians;"
    )
    print(
        f"the ratio is throughput beside '{BESIDE}' in the same round: median, and the middle half"
        " of the rounds"
    )
    for name in names:
        seconds, spent, peak = zip(*figures[name], strict=True)
        median = statistics.median(seconds)
        line = (
            f"{name:34} {median:6.2f} s  {size / median / 1e6:6.1f} MB/s "
            f" {statistics.median(spent):5.2f} s CPU  "
        )
        line += f"{max(peak) / 1024:6.1f} MiB"
        if BESIDE in figures:
            ratios = sorted(
                there[0] / here[0]
                for here, there in zip(figures[name], figures[BESIDE], strict=True)
            )
            line += (
                f"  {statistics.median(ratios):5.2f} x  ({ratios[rounds // 4]:.2f} to"
                f" {ratios[-1 - rounds // 4]:.2f})"
            )
        print(line)
    cpu_s = statistics.median(
        again[1] - stored[1]
        for stored, again in zip(figures[STORED], figures[READ_AGAIN], strict=True)
    )
    prices = sorted(
        again[0] / stored[0] - 1
        for stored, again in zip(figures[STORED], figures[READ_AGAIN], strict=True)
    )
    print(
        "archive.verify_before_delete: always reads every copy once more, in a later run: "
        f"{statistics.median(prices):.0%} of the time that archiving took "
        f"({prices[rounds // 4]:.0%} to {prices[-1 - rounds // 4]:.0%}), {cpu_s:.2f} s CPU"
    )


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    if sys.argv[1:2] == ["one"]:
        one(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    else:
        main(sys.argv[1] if sys.argv[1:] else "7")
