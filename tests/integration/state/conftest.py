"""A state on a real disk, and processes that use it beside this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sauce_janitor.state import State
from tests.support.state import Python


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "state.db"


@pytest.fixture
def state(path: Path) -> Iterator[State]:
    with State.open(path) as opened:
        opened.accounts.admit("eu", base_url="https://api.example", username="demo")
        yield opened


@pytest.fixture
def python(path: Path) -> Iterator[Python]:
    runner = Python(path)
    yield runner
    runner.close()
