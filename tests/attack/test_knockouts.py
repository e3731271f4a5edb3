"""The knock-outs are about lines that are there, once each, and tests that exist; `make test-all`
tries them.
"""

from __future__ import annotations

import pytest

from tests.attack.knockouts import KNOCK_OUTS, REPOSITORY, KnockOut


@pytest.mark.parametrize("one", KNOCK_OUTS, ids=lambda one: one.name)
def test_the_line_that_is_knocked_out_is_there_once(one: KnockOut) -> None:
    module = REPOSITORY / "sauce_janitor" / one.module
    assert module.read_text().count(one.line) == 1, (
        f"{one.module} has no such line any more, or several: {one.line}"
    )
    assert one.instead != one.line
    assert [name for name in one.tests if not (REPOSITORY / name).exists()] == []


def test_there_are_forty_and_no_two_of_a_name() -> None:
    assert len({one.name for one in KNOCK_OUTS}) == len(KNOCK_OUTS) >= 40
