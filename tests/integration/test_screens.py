"""What each command shows on a terminal of 80x24 and of 130x40, kept as text in tests/data/screens.

`SAUCE_JANITOR_REGENERATE=1 pytest -n0 tests/integration/test_screens.py` writes them anew: read
each change before you commit it.
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len

from sauce_janitor.__main__ import main
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.fakes.screen import Screen
from tests.fakes.standing_time import StandingTime

KEPT = Path(__file__).parents[1] / "data" / "screens"
SIZES = {"80x24": (80, 24), "130x40": (130, 40)}
NOON = int(datetime(2026, 11, 24, 11, 0, tzinfo=UTC).timestamp())
"""A Tuesday at noon in Berlin."""
CONFIG = """version: 1
timezone: Europe/Berlin
accounts:
  eu: {base_url: BASE_URL, username: demo, access_key: {env: KEY}}
archive: {path: ./archive}
state: {path: ./state.db}
holds:
  - {tag: keep}
limits: {max_percent: 60}
deadlines:
  - {name: no-old-assets, assets_gone_by: 30d, match: {build: "*"}}
policies:
  - name: pull-requests
    match: {build: "PR-*"}
    then: {archive: none, delete_assets: 3d, delete_job: 14d}
  - name: nightly-builds-of-the-release-branches
    match: {build: "nightly-*"}
    group_by: [name, browser]
    keep: [{id: recent, last: 1}, {id: last-green, last: 1, where: {status: passed}}]
    then: {archive: {after: 2h, assets: [logs, har], discard: rest}, delete_assets: 10d, delete_job: 20d}
  - name: everything-else
    default: true
    then: {archive: {after: 20d, assets: [logs, screenshots], discard: rest}, delete_assets: 25d}
"""
COPIED = ("http://", "/archive/eu/", "sauce-janitor approve sha256:", "approvals: [")
"""What is to be copied from a line, and so has no line end of ours in it."""


class Session:
    """A person at a terminal of some size, one command after the other, a minute apart."""

    def __init__(
        self, folder: Path, sandbox: Sandbox, patch: pytest.MonkeyPatch, size: str
    ) -> None:
        self.folder, self.sandbox = folder, sandbox
        self.columns, self._rows = SIZES[size]
        self._time, self._minute, self._patch = StandingTime(patch, NOON), 0, patch
        self.screens: dict[str, str] = {}
        (folder / "config.yaml").write_text(CONFIG.replace("BASE_URL", sandbox.base_url))

    def type(self, name: str, line: str, *, code: int = 0) -> None:
        """Run `sauce-janitor LINE` and add what is left on the screen to the text of that name."""
        self._minute += 1
        self._time.set(NOON + 60 * self._minute)
        screen = Screen()
        environment = {
            "COLUMNS": str(self.columns),
            "LINES": str(self._rows),
            "TERM": "xterm-256color",
            "LOGNAME": "jane",
            "KEY": self.sandbox.access_key,
            "NAME": self.sandbox.user,
        }
        with self._patch.context() as patch:
            for variable, value in environment.items():
                patch.setenv(variable, value)
            patch.chdir(self.folder)
            # A test before may have left the width that click's own runner forces.
            patch.setattr("click.formatting.FORCED_WIDTH", None)
            patch.setattr(sys, "stdin", None)
            patch.setattr(sys, "stdout", screen)
            patch.setattr(sys, "stderr", screen)
            with pytest.raises(SystemExit) as ended:
                main(shlex.split(line))
        shown = self._steady(screen.text)
        assert ended.value.code == code, f"{line}: {ended.value.code}\n{shown}"
        for each in shown.splitlines():
            fits = "--wide" in line or cell_len(each) <= self.columns
            assert fits or any(word in each for word in COPIED), f"{line}: {each}"
        end = "" if code == 0 else f"[ends with {code}]\n"
        self.screens[name] = (
            self.screens.get(name, "") + f"$ sauce-janitor {self._steady(line)}\n{shown}{end}\n"
        )

    def _steady(self, text: str) -> str:
        """What differs from run to run is replaced by something of the same length, so that lines
        wrap alike.
        """
        port = self.sandbox.base_url.rpartition(":")[2]
        text = text.replace(f":{port}", ":54321").replace(str(self.folder), "/home/jane/janitor-eu")
        text = re.sub(r"\b[0-9a-f]{64}\b", "0123456789abcdef" * 4, text)
        return re.sub(r"\b((?:run|receipt)\s+)[0-9a-f]{12}\b", r"\g<1>0123456789ab", text)


def look_around(at: Session) -> None:
    """Type each command that shows something, in an order in which each finds something."""
    ids = list(at.sandbox.job_ids())
    passed_on, nightly, running = ids[60], ids[90], ids[3]
    (at.folder / "edited.yaml").write_text(
        (at.folder / "config.yaml").read_text().replace("delete_assets: 3d", "delete_assets: 1d")
    )
    at.type("help", "--help")
    at.type(
        "init",
        f"init --base-url {at.sandbox.base_url} --username-env NAME --access-key-env KEY --output"
        " made.yaml",
    )
    at.type("init", "init --region us-west-1 --output made.yaml", code=2)
    at.type("check", "check")
    at.type("status", "status")
    at.type("plan", "plan --out plan.json")
    at.type("plan", "plan --account us", code=2)
    at.type("explain", f"explain {passed_on}")
    at.type("explain", f"explain {nightly}")
    at.type("simulate", "simulate --for 9d")
    at.type("diff", "diff config.yaml edited.yaml")
    at.type("jobs", "jobs --limit 12 --since 2026-11-01 --until 2026-11-20")
    at.type("jobs", "jobs --limit 3 --since 2026-11-01 --until 2026-11-20 --wide --utc")
    at.type("jobs", f"job {passed_on}")
    at.type("jobs", f"assets {passed_on}")
    at.type("builds", "builds --limit 8")
    at.type("builds", f"build --job {nightly}")
    at.type("builds", "builds nothing-of-the-kind", code=4)
    at.type("insights", "insights tests --limit 8")
    at.type("insights", "insights trends --time-range 5d")
    at.type("insights", "insights builds --time-range 9d")
    at.type("insights", "insights errors --time-range 28d")
    at.type("insights", "insights metrics 'search: by name' --time-range 28d")
    at.type("account", "account list")
    at.type(
        "hold",
        f"hold add {passed_on} {nightly} --until 7d --reason 'audit of the payments in the last"
        " quarter'",
    )
    at.type("hold", "hold list")
    at.type("hold", f"hold release {passed_on} --yes")
    at.type("pause", "pause --reason 'release week'")
    at.type("pause", "apply plan.json", code=3)
    at.type("pause", "status")
    at.type("pause", "resume --yes")
    at.type("by-hand", f"tag {passed_on} --add looked-at --yes")
    at.type("by-hand", f"assets {passed_on} --delete --dry-run")
    at.type("by-hand", f"stop {running} --yes")
    at.type("apply", "apply plan.json")
    at.type("run", "run --execute")
    at.type("status", "status")
    at.type("explain", f"explain {nightly}")
    at.type("archive", "archive list --limit 8")
    at.type("archive", f"archive show {nightly}")
    at.type("archive", "archive verify")
    at.type("archive", "archive prune --dry-run")
    at.type("archive", "archive reindex")
    at.type("prove", "prove")
    at.type("offboard", "offboard demo --archive keep --dry-run", code=3)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path has the same length on every machine."""
    made = Path(tempfile.mkdtemp(prefix="screens-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.mark.parametrize("size", SIZES)
def test_each_screen_is_as_it_was_read_and_found_good(
    size: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    disk = os.statvfs_result((4096, 4096, 25_000_000, 20_000_000, 20_000_000, 1, 1, 1, 0, 255))
    monkeypatch.setattr(
        os, "statvfs", lambda _: disk
    )  # else the room of this machine's disk is on the screens
    with Sandbox(SandboxOptions(jobs=120, now=NOON, seed=7)) as sandbox:
        at = Session(folder, sandbox, monkeypatch, size)
        look_around(at)
    if os.environ.get("SAUCE_JANITOR_REGENERATE"):
        shutil.rmtree(KEPT / size, ignore_errors=True)
        (KEPT / size).mkdir(parents=True)
        for name, text in at.screens.items():
            (KEPT / size / f"{name}.txt").write_text(text)
    kept = {path.stem: path.read_text() for path in (KEPT / size).glob("*.txt")}
    assert at.screens.keys() == kept.keys()
    differ = [line for name in kept for line in _difference(name, kept[name], at.screens[name])]
    assert not differ, "\n".join(
        ["read this; how to keep it is said at the top of this file", *differ]
    )


def _difference(name: str, kept: str, shown: str) -> Iterator[str]:
    return difflib.unified_diff(
        kept.splitlines(), shown.splitlines(), f"{name} kept", f"{name} shown", "", "", 2, ""
    )
