"""What a newcomer types on a terminal of 80x24, from `init` to `resume`, and every screen of it, as
text that was read.

`SAUCE_JANITOR_REGENERATE=1 pytest -n0 tests/e2e/test_newcomer.py` writes the text anew: read each
change before you commit it.
"""

from __future__ import annotations

import difflib
import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.cells import cell_len

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.fakes.screen import Screen
from tests.support.processes import ENVIRONMENT

KEPT = Path(__file__).parents[1] / "data" / "screens" / "newcomer.txt"
NOON = int(datetime(2026, 11, 24, 12, 0, tzinfo=UTC).timestamp())
COLUMNS, ROWS = 80, 24
LATEST_S = 60.0


class Clock:
    """The time of the sandbox and of the program: it begins at noon, and each command is a minute
    later.
    """

    def __init__(self) -> None:
        self._real = time.time
        self._at = NOON
        self._shift = NOON - self._real()

    def go_on(self, seconds: int = 60) -> int:
        """Let time pass; return epoch seconds."""
        self._at += seconds
        self._shift = self._at - self._real()
        return self._at

    def __call__(self) -> float:
        return self._real() + self._shift


class Terminal:
    """A real pseudo-terminal of 80x24, one command after the other, a minute apart; `text` is all
    that was seen.
    """

    def __init__(self, folder: Path, sandbox: Sandbox, clock: Clock) -> None:
        self.folder, self.sandbox, self._clock = folder, sandbox, clock
        self.variables = {"SAUCE_USERNAME": "demo", "SAUCE_ACCESS_KEY": sandbox.access_key}
        self.text = ""

    def type(
        self,
        line: str,
        *,
        code: int = 0,
        answers: tuple[str, ...] = (),
        until: Callable[[], bool] | None = None,
    ) -> str:
        """Run a line and wait for its end; `answers` are typed as it asks, Ctrl-C as soon as
        `until`.
        """
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        process = self._start(line, slave)
        os.close(slave)
        screen, left = Screen(), list(answers)
        deadline = time.monotonic() + LATEST_S
        while (said := _said(master, deadline)) is not None:
            screen.write(said)
            if left and screen.text.rstrip("\n").endswith((":", "]")):
                os.write(master, f"{left.pop(0)}\n".encode())
            if until is not None and until():
                until = None
                os.write(master, b"\x03")
        os.close(master)
        return self._keep(line, screen.text, process.wait(10), code)

    def exec(self, line: str, *, code: int = 0) -> str:
        """Run a line as `kubectl exec` does without a terminal: no input, and output that is a
        pipe.
        """
        done = subprocess.run(
            self._words(line),
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LATEST_S,
            check=False,
        )
        return self._keep(
            f"kubectl exec deploy/janitor -- {line}", done.stdout, done.returncode, code
        )

    def say(self, line: str) -> None:
        """Keep a line of the shell's that needs no run."""
        self.text += f"$ {line}\n"

    def rest(self, seconds: int) -> None:
        """Type nothing for a while."""
        self._clock.go_on(seconds)

    def _start(self, line: str, slave: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._words(line),
            cwd=self.folder,
            env=self._environment(),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )

    def _words(self, line: str) -> list[str]:
        name, *arguments = shlex.split(line)
        assert name == "sauce-janitor"
        return [sys.executable, "-m", "tests.e2e.at_a_time", str(self._clock.go_on()), *arguments]

    def _environment(self) -> dict[str, str]:
        return (
            ENVIRONMENT
            | self.variables
            | {
                "TERM": "xterm-256color",
                "NO_COLOR": "1",
                "LOGNAME": "jane",
            }
        )

    def _keep(self, line: str, shown: str, ended: int, code: int) -> str:
        line, shown = self._steady(line), self._steady(shown)
        self.text += f"$ {line}\n{shown}" + ("\n" if ended == 0 else f"[ends with {ended}]\n\n")
        assert ended == code, self.text
        return shown

    def _steady(self, text: str) -> str:
        """What differs from run to run is replaced by something of the same length, so that lines
        wrap alike.
        """
        port = self.sandbox.base_url.rpartition(":")[2]
        text = text.replace(f":{port}", ":54321").replace(str(self.folder), "/home/jane/janitor1")
        text = re.sub(r"\b[0-9a-f]{64}\b", "0123456789abcdef" * 4, text)
        text = re.sub(r"(\d+ min) \d+ s ago", r"\g<1> ago", text)
        return re.sub(r"\b((?:run|receipt)\s+)[0-9a-f]{12}\b", r"\g<1>0123456789ab", text)


def _said(master: int, deadline: float) -> str | None:
    """What was written since; "" for nothing yet, None at the end."""
    assert time.monotonic() < deadline, "it does not end"
    if not select.select([master], [], [], 0.02)[0]:
        return ""
    try:
        said = os.read(master, 65_536)
    except OSError:  # the process has closed its side
        return None
    return said.decode() if said else None


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path has the same length on every machine."""
    made = Path(tempfile.mkdtemp(prefix="screens-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


@pytest.mark.one_backend("the screens show the paths that init writes")
@pytest.mark.timeout(300)
def test_a_newcomer_sees_what_was_read_and_found_good(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    with Sandbox(SandboxOptions(jobs=120, days=28, now=NOON, seed=7)) as sandbox:
        at = Terminal(folder, sandbox, clock)
        begin(at)
        shown = at.text
    if os.environ.get("SAUCE_JANITOR_REGENERATE"):
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(shown)
    long = [line for line in shown.splitlines() if cell_len(line) > COLUMNS]
    assert not long, long
    kept = KEPT.read_text()
    assert shown == kept, "\n".join(
        difflib.unified_diff(kept.splitlines(), shown.splitlines(), "kept", "shown", "", "", 3, "")
    )


def done(at: Terminal) -> tuple[int, int]:
    """How many jobs are in the archive, and of how many Sauce Labs has deleted the assets."""
    gone = [
        entry
        for entry in at.sandbox.log
        if entry.method == "DELETE" and entry.path.endswith("/assets")
    ]
    assert len(gone) == sum(entry.method != "GET" for entry in at.sandbox.log), (
        "nothing else was sent"
    )
    return len(list((at.folder / "archive").rglob("job.json"))), len(gone)


def begin(at: Terminal) -> None:
    """The way from an empty folder to a daemon that is paused and goes on."""
    at.variables["SAUCE_USERNAME"] = "dmeo"
    at.say("export SAUCE_USERNAME=dmeo SAUCE_ACCESS_KEY=…")
    at.type(f"sauce-janitor init --base-url {at.sandbox.base_url}")
    at.say(
        "echo 'workers: 1' >> config.yaml"
    )  # one job after the other: the same number is done by the Ctrl-C
    with (at.folder / "config.yaml").open("a") as file:
        file.write("workers: 1\n")
    at.type("sauce-janitor plan", code=2)
    at.variables["SAUCE_USERNAME"] = "demo"
    at.say("export SAUCE_USERNAME=demo")
    at.type("sauce-janitor plan --out plan.json")
    at.sandbox.inject("delay", endpoint="asset.get", seconds=5, after=40, times=1)
    [pause] = at.sandbox.faults
    said = at.type("sauce-janitor apply plan.json", code=130, until=lambda: pause.fired > 0)
    archived, deleted = done(at)
    assert (
        f"Done: {archived} jobs archived, assets of {deleted} jobs deleted, 0 jobs deleted" in said
    )
    said = at.type("sauce-janitor apply plan.json")
    assert (
        f"Done: {done(at)[0] - archived} jobs archived, assets of {done(at)[1] - deleted} jobs"
        in said
    )
    at.exec("sauce-janitor pause --reason 'release week'")
    before = done(at)
    at.type("sauce-janitor run --execute", code=3)
    assert done(at) == before
    at.type("sauce-janitor resume", answers=("y",))
    at.rest(30)  # so that what was minutes ago is as many, however long a command takes to start
    at.type("sauce-janitor status")
