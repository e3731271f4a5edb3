"""Requests for one clean-up of 2,000 jobs and for the idle run after it, beside the script a user
would write.

The naive client pages by 100 without `full`, asks each job's details, then its assets, fetches each
file whole and deletes. Both work on sandboxes of the same seed, in one run; requests are counted by
the sandbox.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from sauce_janitor.sandbox import Sandbox, SandboxOptions

sys.path = [
    folder for folder in sys.path if Path(folder).resolve() != Path(__file__).resolve().parent
]
"""Without this folder: its requests.py is a benchmark and not the library."""

JOBS = 2000
POLICIES = """
version: 1
accounts: {{box: {{base_url: "{base_url}", username: demo, access_key: {{env: SAUCE_ACCESS_KEY}}}}}}
archive: {{path: ./archive}}
state: {{path: ./state.db}}
limits: {{max_percent: 100}}
policies:
  - name: old-nightlies
    match: {{build: "nightly-*"}}
    then: {{archive: {{after: 1d, assets: [logs, har], discard: rest}}, delete_assets: 10d}}
  - name: pull-requests
    match: {{build: "PR-*"}}
    then: {{archive: none, delete_assets: 3d, delete_job: 3d}}
"""
KINDS = {
    "list": r"GET /rest/v1(\.1)?/demo/jobs(\?|$)",
    "look-up": r"GET /rest/v1\.1/jobs\?",
    "details": r"GET /rest/v1(\.1)?/(demo/)?jobs/[0-9a-f]{32}$",
    "asset list": r"GET /rest/v1/demo/jobs/[0-9a-f]{32}/assets$",
    "asset": r"GET /rest/v1/demo/jobs/[0-9a-f]{32}/assets/",
    "delete": r"DELETE ",
}


def kinds(sandbox: Sandbox) -> Counter[str]:
    """Requests by kind."""
    found: Counter[str] = Counter()
    for entry in sandbox.log:
        line = f"{entry.method} {entry.path}"
        found[
            next((kind for kind, pattern in KINDS.items() if re.match(pattern, line)), "other")
        ] += 1
    return found


def ours(sandbox: Sandbox, folder: Path) -> None:
    """One `run --execute`."""
    (folder / "config.yaml").write_text(POLICIES.format(base_url=sandbox.base_url))
    command = [
        sys.executable,
        "-m",
        "sauce_janitor",
        "-q",
        "--config",
        str(folder / "config.yaml"),
        "run",
        "--execute",
    ]
    environment = {**os.environ, "SAUCE_ACCESS_KEY": sandbox.access_key}
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def naive(sandbox: Sandbox, folder: Path) -> None:
    """The same clean-up as a script: no state, no receipts, no second look."""
    import requests

    session = requests.Session()
    session.auth = (sandbox.user, sandbox.access_key)
    url = f"{sandbox.base_url}/rest/v1/{sandbox.user}/jobs"
    ids: list[str] = []
    while page := session.get(url, params={"limit": 100, "skip": len(ids)}).json():
        ids += [row["id"] for row in page]
    now = time.time()
    for job_id in ids:
        job: dict[str, Any] = session.get(f"{url}/{job_id}").json()
        build, ended = job["build"] or "", job["end_time"]
        if ended is None:
            continue
        if build.startswith("nightly-") and now - ended >= 86400:
            store(session, f"{url}/{job_id}/assets", folder / job_id)
            if now - ended >= 10 * 86400:
                session.delete(f"{url}/{job_id}/assets")
        elif build.startswith("PR-") and now - ended >= 3 * 86400:
            session.delete(f"{sandbox.base_url}/rest/v1.1/jobs/{job_id}")


def store(session: Any, url: str, folder: Path) -> None:
    """Fetch the logs and the HAR of a job."""
    answer = session.get(url)
    if answer.status_code != 200:
        return
    folder.mkdir(exist_ok=True)
    for name in {name for name in answer.json().values() if isinstance(name, str)}:
        if name in {
            "log.json",
            "selenium-server.log",
            "automator.log",
            "network.har",
            "logcat.log",
        }:
            (folder / name).write_bytes(session.get(f"{url}/{name}").content)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        counted: dict[str, tuple[Counter[str], float]] = {}
        for who, clean_up in {"ours": ours, "naive": naive}.items():
            folder = Path(name) / who
            folder.mkdir()
            with Sandbox(SandboxOptions(jobs=JOBS, seed=1)) as sandbox:
                for run in ("first", "second"):
                    began, before = time.perf_counter(), kinds(sandbox)
                    clean_up(sandbox, folder)
                    counted[f"{who} {run}"] = kinds(sandbox) - before, time.perf_counter() - began
    print(
        f"{'':14}"
        + "".join(f"{kind:>12}" for kind in (*KINDS, "other", "total"))
        + f"{'seconds':>10}"
    )
    for who, (by_kind, seconds) in counted.items():
        cells = [by_kind[kind] for kind in (*KINDS, "other")]
        print(
            f"{who:14}"
            + "".join(f"{cell:>12,}" for cell in (*cells, sum(cells)))
            + f"{seconds:>10.1f}"
        )
    for run in ("first", "second"):
        ratio = sum(counted[f"naive {run}"][0].values()) / max(
            1, sum(counted[f"ours {run}"][0].values())
        )
        print(f"requests of the {run} run, naive / ours: {ratio:.1f}")


if __name__ == "__main__":
    main()
