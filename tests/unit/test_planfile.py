"""A plan file is carried out only when it is ours, whole, young and meant for the configuration as
it is.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor import planfile
from sauce_janitor.errors import RefusedError

SECRET = b"s" * 32
NOW = 1_780_000_000
HEAD = planfile.PlanHead(
    "eu", "https://api.example", "demo", NOW, NOW, False, "sha256:p", "sha256:i", 7, {"archive": 1}
)
ACTION = {
    "job_id": "a" * 32,
    "owner": "demo",
    "action": "archive",
    "policy": "p",
    "fingerprint": "f",
    "reasons": ["p: due"],
}


def plan(head: planfile.PlanHead = HEAD, secret: bytes = SECRET) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(
        "".join(planfile.text([planfile.SealedPlan(head, [ACTION])], secret=secret))
    )
    return made


def check(
    given: dict[str, Any], *, head: planfile.PlanHead = HEAD, now: int = NOW
) -> dict[tuple[str, str], str]:
    return planfile.checked(given, head=head, secret=SECRET, now=now)


def test_a_plan_comes_back_from_its_file_and_may_be_carried_out(tmp_path: Path) -> None:
    planfile.write([planfile.SealedPlan(HEAD, [ACTION])], tmp_path / "plan.json", secret=SECRET)
    [read] = planfile.read(tmp_path / "plan.json")
    assert check(read) == {("a" * 32, "archive"): "f"}
    assert (tmp_path / "plan.json").stat().st_mode & 0o777 == 0o600


def test_several_accounts_share_one_file(tmp_path: Path) -> None:
    heads = (HEAD, replace(HEAD, account="us"))
    plans = [
        planfile.SealedPlan(head, [ACTION], kept=[{"job_id": "b" * 32, "reasons": ["held"]}])
        for head in heads
    ]
    planfile.write(plans, tmp_path / "plan.json", secret=SECRET)
    for read, head in zip(planfile.read(tmp_path / "plan.json"), heads, strict=True):
        assert check(read, head=head)
    assert [part["account"] for part in planfile.read(tmp_path / "plan.json")] == ["eu", "us"]


@pytest.mark.parametrize(
    "key",
    ["actions", "policy_digest", "as_of", "counts", "created_at", "account", "seal", "as_of_given"],
)
def test_an_edited_plan_is_refused(key: str) -> None:
    edited = json.loads(json.dumps(plan()))
    edited[key] = (
        [*edited[key], ACTION]
        if key == "actions"
        else {}
        if key == "counts"
        else "2027-01-01T00:00:00Z"
    )
    with pytest.raises(RefusedError, match="was changed after it was made"):
        check(edited)


def test_an_action_edited_in_place_is_refused() -> None:
    edited = json.loads(json.dumps(plan()))
    edited["actions"][0]["action"] = "delete_job"
    with pytest.raises(RefusedError, match="was changed"):
        check(edited)


def test_a_plan_of_another_state_is_refused() -> None:
    with pytest.raises(RefusedError, match="made on another state"):
        check(plan(secret=b"x" * 32))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"account": "us"}, "for account 'eu'"),
        ({"username": "alice"}, "for username 'demo'"),
        ({"base_url": "https://other.example"}, "for base_url"),
        ({"policy_digest": "sha256:q"}, "policies have changed"),
    ],
)
def test_a_plan_for_other_circumstances_is_refused(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RefusedError, match=sentence):
        check(plan(), head=replace(HEAD, **change))


def test_a_plan_made_with_as_of_is_refused() -> None:
    with pytest.raises(RefusedError, match="--as-of"):
        check(plan(replace(HEAD, as_of_given=True)))


def test_a_plan_is_good_for_exactly_24_hours() -> None:
    assert check(plan(), now=NOW + 24 * 3600)
    with pytest.raises(RefusedError, match="older than 24 h"):
        check(plan(), now=NOW + 24 * 3600 + 1)


def test_a_plan_from_the_future_is_refused() -> None:
    check(plan(), now=NOW - planfile.AHEAD_S)
    with pytest.raises(RefusedError, match="in the future"):
        check(plan(), now=NOW - planfile.AHEAD_S - 1)


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"version": 2}', '{"accounts": []}', '{"accounts": 3}', "[" * 30000, "\xff"],
)
def test_what_is_no_plan_is_refused_with_a_sentence(content: str, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(RefusedError, match=r"plan\.json"):
        planfile.read(tmp_path / "plan.json")


def test_a_missing_plan_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="plan --out"):
        planfile.read(tmp_path / "plan.json")


def test_an_edited_kept_list_is_refused() -> None:
    made = json.loads(
        "".join(planfile.text([planfile.SealedPlan(HEAD, [ACTION], kept=[ACTION])], secret=SECRET))
    )
    assert check(made)
    made["kept"] = []
    with pytest.raises(RefusedError, match="was changed"):
        check(made)


def test_a_plan_that_cannot_be_written_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="cannot be written"):
        planfile.write([], tmp_path / "nowhere" / "plan.json", secret=SECRET)
    assert list(tmp_path.iterdir()) == []
