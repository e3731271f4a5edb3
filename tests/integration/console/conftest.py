"""The console over a state of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.console import Desk, desk_in


@pytest.fixture
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Desk]:
    """The console with one policy, or with those of `@pytest.mark.desk(POLICIES)`."""
    marked = request.node.get_closest_marker("desk")
    with desk_in(tmp_path, *(marked.args if marked else ())) as opened:
        yield opened
