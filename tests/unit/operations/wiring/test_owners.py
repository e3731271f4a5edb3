"""What `users` means at a run."""

from __future__ import annotations

from typing import Any

from sauce_janitor.model.jobs import Owner
from sauce_janitor.operations.wiring.owners import LeftOut, Owners, missing, resolve_owners, words
from sauce_janitor.sauce.people import Organization

ME, ALICE, BOB, CARL = (Owner(name) for name in ("me-myself", "alice", "bob", "carl"))


def found(*owners: Owner, **more: Any) -> Organization:
    return Organization(owners, "by team management", **more)


def test_names_are_those_who_are_named_each_once_and_nobody_is_asked() -> None:
    def ask() -> Organization:
        raise AssertionError("asked")

    assert resolve_owners(["me", "bob", "me-myself"], ME, [CARL], ask).owners == (ME, BOB)


def test_an_organization_is_who_is_found_who_asks_and_who_was_known() -> None:
    result = resolve_owners(["bob", "organization"], ME, [CARL, ALICE], lambda: found(ALICE, BOB))
    assert result.owners == (BOB, ME, ALICE, CARL)
    assert result.departed == {CARL}
    assert result.named == {BOB, ME}


def test_nobody_has_left_by_a_look_up_that_broke_off() -> None:
    result = resolve_owners(["organization"], ME, [CARL], lambda: found(ALICE, gaps=("cut short",)))
    assert (result.owners, result.departed, result.gaps) == (
        (ME, ALICE, CARL),
        frozenset(),
        ("cut short",),
    )


def test_offline_it_is_who_is_known() -> None:
    assert resolve_owners(["organization"], ME, [ALICE], None).owners == (ME, ALICE)


def test_the_words_name_a_few_and_count_the_rest() -> None:
    many = tuple(Owner(f"u{number}") for number in range(12))
    assert words(Owners((ME,))) == ""
    assert words(Owners((ME, BOB))) == "Jobs of me-myself, bob"
    assert words(Owners(many, "by Insights")).endswith(
        "u7 and 4 more: the organization, by Insights"
    )


def test_who_is_missing_is_named_with_why_and_how_many_jobs_stay() -> None:
    gone = LeftOut(BOB, "no such user (404)", 1234, departed=True)
    assert missing(
        Owners((ME,), gaps=("cut short",)), [LeftOut(ALICE, "forbidden (403)", 2), gone]
    ) == (
        "Users may be missing: cut short",
        "Left out: alice: forbidden (403); 2 known jobs stay",
        (
            "Left out: bob, who is not in the organization any more: no such user (404); 1,234"
            " known jobs stay"
        ),
    )
