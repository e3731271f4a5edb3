"""Programs that print a secret: for how long, how much, and what is left of them."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from sauce_janitor.config.secret_commands import NoOutputError, printed

ENVIRON = {"PATH": "/usr/bin:/bin"}


def said(folder: Path, script: str, *, limit_s: float = 5.0) -> bytes:
    return printed(["sh", "-c", script], folder=folder, environ=ENVIRON, most=1000, limit_s=limit_s)


def test_what_it_prints_is_the_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret\n")
    assert said(tmp_path, "cat key") == b"s3cret\n"
    assert said(tmp_path, "printf a; sleep 0.2; printf b") == b"ab"
    assert said(tmp_path, "printf a; exec 1>&-; sleep 0.2") == b"a"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("sleep 60", "did not end within 0.3 s"),
        ("exec 1>&-; sleep 60", "did not end within 0.3 s"),
        ("echo secret; sleep 60 & wait", "did not end within 0.3 s"),
        ("yes secret", "printed too much for a secret"),
        ("echo secret; exit 3", "ended with 3"),
        ("kill -9 $$", "ended with -9"),
    ],
)
def test_one_that_does_not_behave_ends_and_its_words_are_not_told(
    tmp_path: Path, script: str, why: str
) -> None:
    with pytest.raises(NoOutputError) as refused:
        said(tmp_path, script, limit_s=0.3)
    assert str(refused.value) == why


def test_whatever_it_started_ends_with_it(tmp_path: Path) -> None:
    with pytest.raises(NoOutputError):
        said(tmp_path, "(sleep 60 & echo $! > child); sleep 60", limit_s=0.5)
    status = Path(f"/proc/{(tmp_path / 'child').read_text().strip()}/stat")
    for _ in range(100):
        if not status.exists() or status.read_text().split()[2] == "Z":
            return
        time.sleep(0.02)
    raise AssertionError("it goes on")


def test_an_agent_that_it_leaves_behind_is_not_waited_for(tmp_path: Path) -> None:
    assert said(tmp_path, "echo secret; (sleep 30 & echo $! > agent)", limit_s=20.0) == b"secret\n"
    agent = int((tmp_path / "agent").read_text())
    assert Path(f"/proc/{agent}").exists(), "and lives on: it is wanted"
    os.kill(agent, signal.SIGKILL)


def test_one_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoOutputError, match="cannot be started"):
        printed(["no-such-program"], folder=tmp_path, environ=ENVIRON, most=10)
