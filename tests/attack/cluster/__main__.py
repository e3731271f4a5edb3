"""Rounds of several workers on one state, each disturbed in another way, and the verdict.

`python -m tests.attack.cluster --kills 20 --stops 10 --cuts 5 --server-kills 5 --seed 1`
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from tests.attack.cluster.cluster import Cluster, ClusterOptions
from tests.attack.cluster.disturbances import SERVER, STORE, Tally, disturb_all, disturb_workers
from tests.attack.cluster.verdict import judge
from tests.attack.run import memory

_INSIDE = "CLUSTER_NAMESPACE"


def main() -> int:
    """Do the rounds; the exit code: 1 for anything wrong."""
    options = _options()
    if os.geteuid() == 0 and _INSIDE not in os.environ:
        return _in_a_namespace()
    if options.cuts and os.geteuid():
        sys.exit("cuts need root, for rules that drop packets")
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="cluster-", dir=memory()) as folder:
        os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
        Path(folder).chmod(0o755)
        wanted = ClusterOptions(
            seed=options.seed, accounts=options.accounts, workers=options.workers,
            archive=options.archive, kind=options.program, addresses=bool(options.cuts),
            older=options.older and options.older.resolve(),
        )  # fmt: skip
        cluster = Cluster(wanted, Path(folder), component)
        try:
            _rounds(cluster, options, tally)
            wrong = tally.wrong + judge(cluster)
            report(cluster, tally, wrong)
        finally:
            if options.logs:
                options.logs.mkdir(parents=True, exist_ok=True)
                for log in Path(folder).glob("*.log"):
                    shutil.copy(log, options.logs)
            cluster.close()
    return 1 if wrong else 0


def component(name: str) -> Path:
    """Find a program, or end: no pytest is here to skip anything."""
    top = Path(__file__).parents[3]
    places = [*top.glob(".components/*/bin"), *Path("/usr/lib/postgresql").glob("*/bin")]
    found = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ["PATH"]]))
    if found is None:
        sys.exit(f"{name} is not installed: .ci/components installs it")
    return Path(found)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Disturb several workers on one state.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--accounts", type=int, default=8)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--archive", choices=("disk", "s3"), default="disk")
    parser.add_argument("--kills", type=int, default=0, help="kill -9 of a busy worker")
    parser.add_argument("--stops", type=int, default=0, help="SIGSTOP of a busy worker")
    parser.add_argument("--cuts", type=int, default=0, help="no packet to PostgreSQL (root)")
    parser.add_argument("--clocks", type=int, default=0, help="a worker ten minutes off")
    parser.add_argument("--server-kills", type=int, default=0, help="PostgreSQL crashes")
    parser.add_argument(
        "--server-faults", type=int, default=0, help="so many of each: restarted, read-only, …"
    )
    parser.add_argument(
        "--store-faults", type=int, default=0, help="so many of each: 503, 403, … (with s3)"
    )
    parser.add_argument("--older", type=Path, help="a tree of an older version: worker-1 is of it")
    parser.add_argument("--program", default="as it is", help="reckless: the oracle must see it")
    parser.add_argument("--logs", type=Path, help="where the workers' logs are kept")
    return parser.parse_args()


def _in_a_namespace() -> int:
    """Start again with a network and mounts of its own: nothing else on the machine is touched."""
    command = 'ip link set lo up && exec "$@"'
    again = [
        "unshare",
        "-nm",
        "sh",
        "-c",
        command,
        "sh",
        sys.executable,
        "-m",
        "tests.attack.cluster",
    ]
    return subprocess.run(
        [*again, *sys.argv[1:]], env=os.environ | {_INSIDE: "yes"}, check=False
    ).returncode


def _rounds(cluster: Cluster, options: argparse.Namespace, tally: Tally) -> None:
    chance = random.Random(options.seed)
    todo = [
        *["kills"] * options.kills, *["stops"] * options.stops, *["cuts"] * options.cuts,
        *["clocks"] * options.clocks,
    ]  # fmt: skip
    disturb_workers(cluster, todo, chance, tally)
    others = ["killed"] * options.server_kills + sorted(
        SERVER.keys() - {"killed"}
    ) * options.server_faults
    chance.shuffle(others)
    for name in others:
        disturb_all(cluster, f"PostgreSQL {name}", SERVER[name], chance, tally)
    for name in sorted(STORE) * options.store_faults:
        disturb_all(cluster, f"bucket {name}", STORE[name], chance, tally)


def report(cluster: Cluster, tally: Tally, wrong: list[str]) -> None:
    """Print what was done, what was measured and what is wrong."""
    for text in wrong:
        print(f"VIOLATION {text}")
    done = ", ".join(f"{name} {number}" for name, number in sorted(tally.done.items()))
    writes = sum(account.oracle.writes for account in cluster.accounts)
    print(
        f"seed {cluster.options.seed}, {cluster.options.workers} workers, archive: {cluster.options.archive}"
    )
    print(f"done          {done}; runs in hand at kills: {tally.held}")
    print(f"writes        {writes}")
    print(f"take-over     {spread(tally.take_overs)}")
    print(f"next write    {spread(tally.working_again)}")
    for what, times in sorted(tally.back_at_work.items()):
        print(f"back at work  {what}: {spread(times)}")
    late = [each for account in cluster.accounts for each in account.oracle.late]
    print(f"stopped between an answer and its write: {len(late)}")
    for each in late:
        print(f"  {each}")
    print(f"violations    {len(wrong)}")


def spread(times: Iterable[float]) -> str:
    """Return number, median, 95th percentile and maximum, in words."""
    ordered = sorted(times)
    if not ordered:
        return "none"
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95))
    return f"{len(ordered)}: p50 {p50:.1f} s, p95 {p95:.1f} s, max {ordered[-1]:.1f} s"


if __name__ == "__main__":
    sys.exit(main())
