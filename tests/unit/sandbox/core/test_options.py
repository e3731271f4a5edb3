"""Behaviours are closed sets of words."""

from __future__ import annotations

import pytest

from sauce_janitor.sandbox.core.options import Behaviours, choices


def test_every_behaviour_has_its_default_first_and_at_least_one_other() -> None:
    for key, words in choices().items():
        assert words[0] == getattr(Behaviours(), key)
        assert len(set(words)) == len(words) >= 2


def test_a_behaviour_is_changed_by_name() -> None:
    assert Behaviours().changed({"purged_assets": "nulls"}).purged_assets == "nulls"


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("nope", "1", "no behavior 'nope'"), ("compression", "x", "is one of")],
)
def test_what_is_no_behaviour_is_refused(key: str, value: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Behaviours().changed({key: value})
