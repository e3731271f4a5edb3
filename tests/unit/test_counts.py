"""Numbers of things in messages: one is in the singular."""

from __future__ import annotations

import pytest

from sauce_janitor.counts import counted


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs"), (1000, "1,000 jobs")]
)
def test_only_one_is_in_the_singular(number: int, text: str) -> None:
    assert counted(number, "job") == text
