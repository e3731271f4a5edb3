"""What each command prints for programs, as JSON and CSV, kept byte for byte in tests/data/output.

Scripts read these keys: a key that moves, changes or disappears breaks them. For a change that is
meant, `SAUCE_JANITOR_REGENERATE=1 pytest -n0 tests/integration/test_json_outputs.py` writes the
files anew: read each difference before you commit it.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sauce_janitor.__main__ import main
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.fakes.standing_time import StandingTime

KEPT = Path(__file__).parents[1] / "data" / "output"
DAY = 86_400
NOON = int(datetime(2026, 11, 24, 11, 0, tzinfo=UTC).timestamp())
CONFIG = """version: 1
timezone: Europe/Berlin
accounts:
  eu: {base_url: BASE_URL, username: demo, access_key: {env: KEY}}
archive: {path: ./archive}
state: {path: ./state.db}
holds:
  - {tag: keep}
limits: {max_percent: 60, MAX_JOBS}
deadlines:
  - {name: no-old-assets, assets_gone_by: 12d, match: {build: "*"}}
policies:
  - name: pull-requests
    match: {build: "PR-*"}
    then: {archive: none, delete_assets: 3d, delete_job: 14d}
  - name: nightly
    match: {build: "nightly-*"}
    group_by: [name, browser]
    keep:
      - {id: recent, last: 1}
      - {id: last-green, last: 1, where: {status: passed}}
      - {id: weekly, weekly: 2}
    then:
      archive: {after: 2h, assets: [logs, har], discard: rest, keep_for: 30d}
      delete_assets: 10d
      delete_job: 20d
  - name: everything-else
    default: true
    then: {archive: {after: 20d, assets: [logs, screenshots], discard: rest}, delete_assets: 25d}
tests:
  - name: the last green job stays
    jobs:
      - {id: green, name: checkout, build: nightly-1, status: passed, end_time: -400d}
    expect: {green: {keep: [last-green]}}
"""


class Shell:
    """Runs commands, a minute apart, and keeps what they print on stdout."""

    def __init__(
        self,
        folder: Path,
        sandbox: Sandbox,
        patch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.folder, self.sandbox = folder, sandbox
        self._time, self.now, self._patch, self._capsys = (
            StandingTime(patch, NOON),
            NOON,
            patch,
            capsys,
        )
        self.outputs: dict[str, str] = {}
        self.write("config.yaml", "max_jobs: null")

    def write(self, name: str, max_jobs: str, before: str = "", after: str = "") -> None:
        """Write a configuration, in which `before` is replaced by `after`."""
        text = CONFIG.replace("BASE_URL", self.sandbox.base_url).replace("MAX_JOBS", max_jobs)
        (self.folder / name).write_text(text.replace(before, after) if before else text)

    def wait(self, days: int) -> None:
        self.now += days * DAY

    def run(self, line: str, *, code: int = 0, form: str = "json", name: str = "") -> str:
        """Run `sauce-janitor LINE --format FORM` and keep its output under the name."""
        self.now += 60
        self._time.set(self.now)
        typed = shlex.split(f"{line} --format {form}" if form else line)
        with self._patch.context() as patch:
            for variable, value in {"LOGNAME": "jane", "KEY": self.sandbox.access_key}.items():
                patch.setenv(variable, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "stdin", None)
            self._capsys.readouterr()
            with pytest.raises(SystemExit) as ended:
                main(["-q", *typed])
        said = self._capsys.readouterr()
        assert ended.value.code == code, f"{line}: {ended.value.code}\n{said.out}{said.err}"
        if form == "json":
            json.loads(said.out)
        if name:
            self.outputs[f"{name}.{form}"] = self._steady(said.out)
        return said.out

    def _steady(self, text: str) -> str:
        """Return the text with fixed values in place of those that differ from run to run."""
        port = self.sandbox.base_url.rpartition(":")[2]
        text = text.replace(f":{port}", ":54321").replace(str(self.folder), "/home/jane/janitor")
        text = re.sub(r"\b[0-9a-f]{64}\b", "0123456789abcdef" * 4, text)
        text = re.sub(r'("run_id": ")(hand-)?[0-9a-f]+"', r'\g<1>\g<2>0123456"', text)
        text = re.sub(r"(2026-1\d-\d\dT\d\d:\d\d):\d\dZ", r"\1:00Z", text)
        text = re.sub(r"\b17[89]\d{7}\b", lambda found: str(int(found[0]) // 60 * 60), text)
        return re.sub(
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "some-uuid", text
        )


def walk(at: Shell) -> None:
    """Run each command that prints JSON or CSV, in an order in which each finds something."""
    ids = list(at.sandbox.job_ids())
    passed_on, nightly, running = ids[60], ids[90], ids[3]
    at.write("edited.yaml", "max_jobs: 3", "delete_assets: 3d", "delete_assets: 1d")
    at.write("broken.yaml", "max_jobs: three")
    at.write("failing.yaml", "max_jobs: null", "{keep: [last-green]}", "{delete_job: nightly}")
    at.run("check", name="check")
    at.run("--config broken.yaml check", code=2, name="check-broken")
    at.run("--config failing.yaml check", code=6, name="check-failing")
    _ask_sauce_labs(at, passed_on, nightly)
    plan = json.loads(at.run("plan --all", name="plan"))
    archived = [row["job_id"] for row in plan["actions"] if row["policy"] == "nightly"]
    failing = [job for job in archived if job != nightly and at.sandbox.asset(job, "log.json")][-1]
    at.sandbox.inject("status", endpoint="asset.get", user="*", job=failing, times=99, status=500)
    at.run("plan", form="csv", name="plan")
    at.run(f"explain {passed_on}", name="explain-kept")
    at.run(f"explain {nightly}", name="explain")
    at.run("simulate --for 9d", name="simulate")
    at.run("simulate --for 9d", form="csv", name="simulate")
    at.run("--config edited.yaml simulate --for 4d", name="simulate-limit")
    at.run("diff config.yaml edited.yaml", name="diff")
    at.run("account list", name="account-list")
    at.run(f"hold add {passed_on} --until 7d --reason audit", form="")
    at.run("hold list", name="hold-list")
    at.run("pause --reason 'release week'", form="")
    at.run("status", name="status-paused")
    at.run("resume --yes", form="")
    at.run(f"tag {running} {passed_on} --add looked-at --yes", name="tag")
    at.run(f"assets {nightly} --delete --dry-run", name="assets-delete")
    at.run(f"stop {running} --yes", name="stop")
    at.run("run --execute", name="run", code=4)
    at.run("status", name="status")
    at.run(f"explain {passed_on}", name="explain-held")
    at.run(f"explain {nightly}", name="explain-after")
    at.run(f"explain {failing}", name="explain-failing")
    _look_into_the_archive(at, nightly)
    at.run("offboard demo --archive keep --dry-run", code=3, name="offboard-keep")
    at.run("offboard demo --archive erase --dry-run", code=3, name="offboard-erase")
    at.run("run", form="csv", name="run")
    at.write("closed.yaml", "max_jobs: null", "state:", "web: {auth: {users: users.yaml}}\nstate:")
    (at.folder / "password.txt").write_text("a password for this test")
    at.run(
        "--config closed.yaml user add jane --role approver --password-file password.txt", form=""
    )
    at.run("--config closed.yaml user list", name="user-list")


def _ask_sauce_labs(at: Shell, passed_on: str, nightly: str) -> None:
    between = "--since 2026-11-01 --until 2026-11-20"
    for form in ("json", "csv"):
        at.run(f"jobs --limit 12 {between}", form=form, name="jobs")
        at.run("builds --limit 8", form=form, name="builds")
        at.run("insights tests --limit 8", form=form, name="insights-tests")
        at.run("insights trends --time-range 5d", form=form, name="insights-trends")
        at.run("insights builds --time-range 9d", form=form, name="insights-builds")
        at.run("insights errors --time-range 28d", form=form, name="insights-errors")
        at.run(
            "insights metrics 'search: by name' --time-range 28d",
            form=form,
            name="insights-metrics",
        )
    at.run(f"job {passed_on}", name="job")
    at.run(f"assets {passed_on}", name="assets")
    at.run(f"build --job {nightly}", name="build")
    build = json.loads(at.run(f"build --job {nightly}"))["id"]
    for form in ("json", "csv"):
        at.run(f"builds {build}", form=form, name="builds-members")
    at.run("jobs --name nothing-of-the-kind", name="jobs-none")


def _look_into_the_archive(at: Shell, nightly: str) -> None:
    for form in ("json", "csv"):
        at.run("archive list --limit 8", form=form, name="archive-list")
    at.run("archive list --name nothing-of-the-kind", name="archive-list-none")
    at.run(f"archive show {nightly}", name="archive-show")
    at.run("archive reindex", name="archive-reindex")
    at.run("prove", name="prove")
    at.wait(31)
    at.run("archive prune --dry-run", name="archive-prune-plan")
    pruned = json.loads(at.run("archive prune --yes", name="archive-prune"))
    at.run(f"archive show {pruned[0]['actions'][0]['job_id']}", name="archive-show-pruned")
    # The first by name: the order in a folder is the file system's.
    extra = min((at.folder / "archive").rglob("job.json")).with_name("extra")
    extra.write_text("not ours")
    at.run("archive verify", code=6, name="archive-verify")
    extra.unlink()


@pytest.fixture
def outputs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> dict[str, str]:
    disk = os.statvfs_result((4096, 4096, 25_000_000, 20_000_000, 20_000_000, 1, 1, 1, 0, 255))
    # The free space of this machine's disk would be in the output.
    monkeypatch.setattr(os, "statvfs", lambda _: disk)
    with Sandbox(SandboxOptions(jobs=120, now=NOON, seed=7)) as sandbox:
        shell = Shell(tmp_path, sandbox, monkeypatch, capsys)
        walk(shell)
    return shell.outputs


def test_each_output_for_programs_is_the_kept_one_byte_for_byte(outputs: dict[str, str]) -> None:
    if os.environ.get("SAUCE_JANITOR_REGENERATE"):
        shutil.rmtree(KEPT, ignore_errors=True)
        KEPT.mkdir(parents=True)
        for name, text in outputs.items():
            (KEPT / name).write_text(text)
    kept = {path.name: path.read_text() for path in KEPT.iterdir()}
    assert outputs.keys() == kept.keys()
    differ = [line for name in kept for line in _difference(name, kept[name], outputs[name])]
    assert not differ, "\n".join(differ[:200])


def _difference(name: str, kept: str, shown: str) -> Iterator[str]:
    return difflib.unified_diff(
        kept.splitlines(), shown.splitlines(), f"{name} kept", f"{name} shown", "", "", 2, ""
    )
