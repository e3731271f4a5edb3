"""An archive on a real disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sauce_janitor.archive import Archive
from tests.support.archive import ROOMY


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "archive"


@pytest.fixture
def archive(root: Path) -> Iterator[Archive]:
    with Archive.open(root, account="eu", known_uuid=None, settings=ROOMY) as opened:
        yield opened
