"""A state on a real disk and one on a real PostgreSQL, and processes that use it beside this one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sauce_janitor.state import State
from tests.support.postgresql import Postgresql
from tests.support.state import Place, Python


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "state.db"


@pytest.fixture
def file_state(path: Path) -> Iterator[State]:
    """A state in a file, for tests about files."""
    yield from _open(Place(path))


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Where a state is, once for each database. In a file there is none yet."""
    if request.param == "sqlite":
        yield Place(request.getfixturevalue("path"))
        return
    server: Postgresql = request.getfixturevalue("postgresql")
    url = server.state()
    yield Place(url)
    server.drop(url)


@pytest.fixture
def state(place: Place) -> Iterator[State]:
    """A state on each database."""
    yield from _open(place)


def _open(place: Place) -> Iterator[State]:
    with place.open() as opened:
        opened.accounts.admit("eu", base_url="https://api.example", username="demo")
        yield opened


@pytest.fixture
def python(place: Place) -> Iterator[Python]:
    """Processes on the state of `state`."""
    runner = Python(place)
    yield runner
    runner.close()


@pytest.fixture
def file_python(path: Path) -> Iterator[Python]:
    """Processes on the state of `file_state`."""
    runner = Python(Place(path))
    yield runner
    runner.close()
