"""Requests, 429s and time for 2,000 jobs of which 1,000 are to be deleted, at 10 requests a second
and 60 ms away.

Ours (list, plan, look each job up again, delete, confirm, journal) beside the simplest honest
script with a public client (sauceclient): list, delete what matches, wait a second after a 429.
Both against sandboxes of the same seed that allow 10 requests a second in any second, in one run;
requests are counted by the sandbox. The floor is what that limit allows. Takes four minutes;
`--quick` has 200 jobs of which 100 match.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.core.options import Rate

PER_SECOND = 10
LATENCY_S = 0.06
TLS = Path(__file__).parents[1] / "tests" / "data" / "tls"
CONFIG = """
version: 1
accounts:
  box:
    base_url: {base_url}
    ca_bundle: {ca_bundle}
    username: demo
    access_key: {{env: SAUCE_ACCESS_KEY}}
    budget: {{per_second: {per_second}, per_hour: 100000, burst: {per_second}}}
archive: {{path: ./archive}}
state: {{path: ./state.db}}
limits: {{max_percent: null}}
policies: [{{name: old, match: {{name: "old-*"}}, then: {{archive: none, delete_job: 1h}}}}]
"""
SCRIPT = """
import sys, time
from sauceclient import SauceClient, SauceException

user, key, host = sys.argv[1:]
client = SauceClient(user, key, host)

def patiently(call, *arguments, **options):
    while True:
        try:
            return call(*arguments, **options)
        except SauceException as error:
            if error.response.status != 429:
                raise
            time.sleep(1)

jobs = []
while page := patiently(client.jobs.get_jobs, full=True, limit=500, skip=len(jobs)):
    jobs += page
for job in jobs:
    if (job["name"] or "").startswith("old-"):
        patiently(client.jobs.delete_job, job["id"])
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One clean-up as the sandbox saw it: `seconds` from start to end of the process, `span_s` from
    first to last request.
    """

    requests: int
    refused: int
    deleted: int
    span_s: float
    seconds: float

    @property
    def floor_s(self) -> float:
        """The least time that the limit allows for so many requests that were let through."""
        return (self.requests - self.refused) / PER_SECOND


def world(jobs: int, matching: int) -> Sandbox:
    """So many jobs, of which so many finished ones of more than an hour ago are called old-N."""
    rate = Rate(per_second=PER_SECOND)
    certificate, key = TLS / "loopback.pem", TLS / "loopback-key.pem"
    sandbox = Sandbox(
        SandboxOptions(jobs=jobs, seed=1, rate=rate, certificate=certificate, private_key=key)
    )
    named = 0
    for job_id in sandbox.job_ids():
        truth = sandbox.truth(job_id)
        ended = truth.document["end_time"] if truth is not None else None
        if named < matching and isinstance(ended, int) and ended < time.time() - 7200:
            sandbox.edit(job_id, name=f"old-{named}", tags=[])
            named += 1
        else:
            sandbox.edit(job_id, name="other")
    assert named == matching
    sandbox.inject("delay", seconds=LATENCY_S)
    return sandbox


def ours(sandbox: Sandbox, folder: Path) -> None:
    """One `run --execute`."""
    text = CONFIG.format(
        base_url=sandbox.base_url, ca_bundle=TLS / "loopback.pem", per_second=PER_SECOND
    )
    (folder / "config.yaml").write_text(text)
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


def script(sandbox: Sandbox, folder: Path) -> None:
    """The script that a user would write."""
    (folder / "clean.py").write_text(SCRIPT)
    host = sandbox.base_url.removeprefix("https://")
    command = [sys.executable, str(folder / "clean.py"), sandbox.user, sandbox.access_key, host]
    subprocess.run(
        command, check=True, env={**os.environ, "SSL_CERT_FILE": str(TLS / "loopback.pem")}
    )


def measure(jobs: int, matching: int) -> dict[str, Measured]:
    """Both, one after the other."""
    measured = {}
    for who, clean_up in {"ours": ours, "sauceclient": script}.items():
        with tempfile.TemporaryDirectory() as folder, world(jobs, matching) as sandbox:
            began = time.perf_counter()
            clean_up(sandbox, Path(folder))
            seconds = time.perf_counter() - began
            log = list(sandbox.log)
            refused = sum(entry.status == 429 for entry in log)
            deleted = sum(entry.method == "DELETE" and entry.status in {200, 204} for entry in log)
            measured[who] = Measured(len(log), refused, deleted, log[-1].at - log[0].at, seconds)
    return measured


def main() -> None:
    """Measure and print."""
    jobs, matching = (200, 100) if "--quick" in sys.argv else (2000, 1000)
    measured = measure(jobs, matching)
    print(
        f"{'':12}{'requests':>10}{'429':>6}{'deleted':>9}{'seconds':>9}{'floor':>8}{'over':>7}{'at work':>9}{'over':>7}"
    )
    for who, one in measured.items():
        over, at_work = (100 * (seconds / one.floor_s - 1) for seconds in (one.seconds, one.span_s))
        cells = f"{one.requests:>10,}{one.refused:>6,}{one.deleted:>9,}{one.seconds:>9.1f}{one.floor_s:>8.1f}{over:>6.1f}%"
        print(f"{who:12}{cells}{one.span_s:>9.1f}{at_work:>6.1f}%")
    ratio = measured["sauceclient"].seconds / measured["ours"].seconds
    print(f"seconds, script / ours: {ratio:.2f}; `at work` is from the first request to the last")


if __name__ == "__main__":
    main()
