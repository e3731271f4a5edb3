"""Whether two matches can be true of one job: no only where that is sure."""

from __future__ import annotations

import pytest

from sauce_janitor.model.policies import (
    EVERYTHING,
    AllOf,
    AnyOf,
    Atom,
    Comparison,
    Match,
    Not,
    Regex,
)
from sauce_janitor.retention.overlaps import may_overlap
from tests.support.jobs import where


def rx(field: str, pattern: str) -> Atom:
    return Atom(field, (Regex(pattern),))


def bounds(*said: tuple[str, float]) -> Atom:
    return Atom("duration", (Comparison(said),))  # type: ignore[arg-type]  # the words are those of the language


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (where(build="PR-*"), where(build="nightly-*")),
        (where(build="PR-*"), where(build="main")),
        (where(build="*-rc"), where(build="*-final")),
        (where(build="a"), rx("build", "b+")),
        (where(build=("a", "b")), where(build=("c", "d*"))),
        (where(build="PR-*"), rx("build", "x")),
        (where(build="PR-*"), rx("build", r"rc-\d+\.\d+.*")),
        (where(build="{PR,MR}-*"), rx("build", "rc-.*")),
        (rx("build", "nightly-.*"), rx("build", "rc-[0-9]+")),
        (where(build=None), where(build="*")),
        (where(build=None), rx("build", ".*")),
        (where(manual=True), where(manual=False)),
        (where(name="x", build="PR-1"), where(name="x", build="main")),
        (where(build="PR-1"), Not(where(build="PR-*"))),
        (where(tags="pii"), Not(where(tags=("pii", "gdpr")))),
        (rx("name", "a.*"), Not(rx("name", "a.*"))),
        (bounds(("gt", 60)), bounds(("le", 60))),
        (bounds(("ge", 60)), bounds(("lt", 60))),
        (AnyOf((where(build="a"), where(build="b"))), where(build="c")),
        (Not(AnyOf((where(build="a"), where(os="Linux")))), where(os="Linux")),
        (Not(EVERYTHING), EVERYTHING),
    ],
)
def test_matches_that_are_apart_do_not_overlap(one: Match, other: Match) -> None:
    assert not may_overlap(one, other)
    assert not may_overlap(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (where(build="PR-*"), where(os="Linux")),
        (where(build="PR-*"), where(build="*-1")),
        (where(build="PR-*"), where(build="PR-1*")),
        (where(build="*[ab]"), where(build="*b")),
        (where(build="PR-1"), rx("build", "PR-.*")),
        (where(build="PR-*"), rx("build", "P?R-1")),
        (where(build="PR-*"), rx("build", "x|PR-1")),
        (where(build="PR-*"), rx("build", "(?i)pr-.*")),
        (where(build="PR-*"), rx("build", "P{0,1}R-1")),
        (where(build="PR-*"), rx("build", "x*PR-1")),
        (where(build="PR-*"), rx("build", "P+R-1")),
        (where(build=("a*", "PR-*")), rx("build", r"PR-\d+")),
        (rx("build", "PR-.*"), rx("build", "PR.*")),
        (where(tags="pii"), where(tags="keep")),
        (where(public="team"), where(public="share")),
        (where(build="PR-*"), Not(where(build="PR-1"))),
        (where(build=None), AnyOf((where(build="*"), where(build=None)))),
        (bounds(("ge", 60)), bounds(("le", 60))),
        (AnyOf((where(build="a"), where(build="b"))), where(build="b")),
        (EVERYTHING, EVERYTHING),
        (Not(where(build="a", os="b")), where(build="a")),
    ],
)
def test_matches_that_may_both_be_true_overlap(one: Match, other: Match) -> None:
    assert may_overlap(one, other)
    assert may_overlap(other, one)


def test_a_match_and_its_own_opposite_do_not_overlap() -> None:
    pii = where(tags="pii")
    assert not may_overlap(pii, Not(pii))


def test_a_match_of_too_many_branches_is_not_looked_into() -> None:
    wide = AllOf(tuple(AnyOf(tuple(where(name=f"{n}{m}") for m in range(4))) for n in range(9)))
    assert may_overlap(wide, where(name="z"))
