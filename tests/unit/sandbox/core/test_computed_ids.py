"""Ids are computed, not stored."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.sandbox.core.chance import key_of
from sauce_janitor.sandbox.core.computed_ids import ComputedIds

NUMBERING = ComputedIds(key_of(1, "test"))


@given(owner=st.integers(0, 2**16 - 1), index=st.integers(0, 2**48 - 1))
def test_every_number_comes_back_from_its_id(owner: int, index: int) -> None:
    text = NUMBERING.id_of(owner, index)

    assert len(text) == 32
    assert text == text.lower()
    assert NUMBERING.number_of(text) == (owner, index)


def test_no_two_jobs_share_an_id() -> None:
    assert (
        len({NUMBERING.id_of(owner, index) for owner in range(5) for index in range(5_000)})
        == 25_000
    )


@given(st.text(alphabet="0123456789abcdef", min_size=32, max_size=32))
def test_an_id_that_was_never_given_out_is_unknown(text: str) -> None:
    number = NUMBERING.number_of(text)

    assert number is None or NUMBERING.id_of(*number) == text


def test_what_is_no_id_is_unknown() -> None:
    real = NUMBERING.id_of(0, 7)

    assert [
        NUMBERING.number_of(text)
        for text in ("", "x" * 32, real.upper() + "", real[:-1], real + "0")
    ] == [None] * 5


def test_another_seed_gives_other_ids() -> None:
    assert ComputedIds(key_of(2, "test")).number_of(NUMBERING.id_of(0, 7)) is None
