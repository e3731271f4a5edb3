"""A daemon in this process: a clock that the test drives, and a folder with its configuration,
state and archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.daemon import Driven, Scene
from tests.support.postgresql import Postgresql
from tests.support.workers import Workers


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with ExitStack() as stack:
        made = Scene(tmp_path, Driven(), stack)
        made.configure('schedule: {cron: "17 * * * *", jitter: 0s}\n')
        yield made


@pytest.fixture
def workers(postgresql: Postgresql, tmp_path: Path) -> Iterator[Workers]:
    with ExitStack() as stack:
        yield Workers(postgresql, postgresql.state(), tmp_path, stack, Driven())
