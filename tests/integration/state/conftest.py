"""A state on a real disk, and processes that use it beside this one."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from sauce_janitor.state import State

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    with State.open(path) as opened:
        opened.accounts.admit("eu", base_url="https://api.example", username="demo")
        yield opened


class Python:
    """Runs code in another process; `STATE` is the state's path there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun: list[subprocess.Popen[str]] = []

    def start(self, code: str) -> subprocess.Popen[str]:
        source = f"STATE = {str(self._path)!r}\n" + textwrap.dedent(code)
        process = subprocess.Popen(
            [sys.executable, "-c", source], cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self._begun.append(process)
        return process

    def run(self, code: str) -> tuple[int, str]:
        """Exit code, and everything it said."""
        process = self.start(code)
        out, err = process.communicate(timeout=60)
        return process.returncode, out + err

    def close(self) -> None:
        for process in self._begun:
            process.kill()
            process.communicate()


@pytest.fixture
def python(path: Path) -> Iterator[Python]:
    runner = Python(path)
    yield runner
    runner.close()
