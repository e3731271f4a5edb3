"""Wherever a job's id is taken, so is the beginning of it, its address, its name or its build, when
that is one job.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from sauce_janitor.errors import ConfigError
from tests.support.commands import DAY, Commands

POLICY = """
limits: {max_percent: null}
policies:
  - {name: old, match: {name: "solo*"}, then: {archive: 1d, delete_job: 50d}}
"""
FORMS = ("prefix", "address", "name", "build")


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    """One job `solo` in build `alone`, and two called `twin`."""
    desk = open_desk(jobs=0)
    desk.configure(POLICY)
    for number, name in enumerate(("solo", "twin", "twin")):
        job = desk.sandbox.arrive(created_at=int(time.time()) - 3 * DAY - number)
        desk.sandbox.edit(job, name=name, build="alone" if name == "solo" else "pair")
        if name == "solo":
            (desk.folder / "solo").write_text(job)
    return desk


def _solo(desk: Commands) -> str:
    return (desk.folder / "solo").read_text()


def _written(desk: Commands) -> dict[str, str]:
    job = _solo(desk)
    address = f"https://app.saucelabs.com/tests/{job}?auth=s3cret"
    return {"prefix": job[:8], "address": address, "name": "solo", "build": "alone"}


def test_every_command_that_takes_an_id_takes_each_form_of_it(desk: Commands) -> None:
    job = _solo(desk)
    for form, text in _written(desk).items():
        assert json.loads(desk.say("job", text, "--format", "json").stdout)["id"] == job, (
            f"{form} before any listing"
        )
    desk.say("run", "--execute")
    for form, text in _written(desk).items():
        calls = {
            "explain": ("explain", text, "--format", "json"),
            "job": ("job", text, "--format", "json"),
            "assets": ("assets", text, "--format", "json"),
            "archive show": ("archive", "show", text, "--format", "json"),
            "archive verify": ("archive", "verify", text),
            "prove": ("prove", text),
            "tag": ("tag", text, "--add", form, "--yes"),
            "stop": ("stop", text, "--yes"),
            "hold add": ("hold", "add", text, "--reason", "why"),
            "hold release": ("hold", "release", text, "--yes"),
            "archive export": (
                "archive",
                "export",
                text,
                "--output",
                str(desk.folder / f"out-{form}"),
            ),
        }
        for name, call in calls.items():
            said = desk.say(*call)
            assert "s3cret" not in said.stdout + said.stderr, name
            if form != "address" and name != "archive export":
                assert f"{text} is job {job}" in said.stderr, f"{name} says which job it took"
            if name in {"explain", "job", "tag", "archive show"}:
                assert job in said.stdout, name
    tags = json.loads(desk.say("job", job, "--format", "json").stdout)["tags"]
    assert set(tags) >= set(FORMS)
    assert not desk.deleted()


def test_what_is_more_than_one_job_is_refused_and_nothing_is_sent(desk: Commands) -> None:
    desk.say("plan")
    for words in (
        ("tag", "twin", "--add", "x", "--yes"),
        ("tag", _solo(desk), "pair", "--add", "x", "--yes"),
        ("stop", "twin", "--yes"),
        ("hold", "release", "twin", "--yes"),
        ("explain", "twin"),
        ("job", "twin"),
        ("assets", "pair"),
    ):
        wrong = desk.say(*words, code=2).exception
        assert isinstance(wrong, ConfigError)
        assert "matches 2 jobs, and must match one" in str(wrong)
        assert str(wrong).count("(of demo: twin in build pair)") == 2, words
    assert desk.writes() == []


def test_a_job_newer_than_the_last_listing_makes_a_name_ambiguous(desk: Commands) -> None:
    """Else `stop solo` would stop the one that the state knows, and the person meant the other."""
    desk.say("plan")
    newer = desk.sandbox.arrive(created_at=int(time.time()) - 60)
    desk.sandbox.edit(newer, name="solo")
    desk.say("stop", "solo", "--yes", code=2)
    desk.say("tag", "solo", "--add", "x", "--yes", code=2)
    assert desk.writes() == []
    desk.say("tag", newer[:10], "--add", "x", "--yes")


def test_a_job_that_is_called_otherwise_by_now_is_not_the_one_that_is_named(desk: Commands) -> None:
    """Names change at Sauce Labs, and an old job's new name is in no listing of the news."""
    desk.say("plan")
    job, asked = _solo(desk), len(desk.sandbox.log)
    desk.sandbox.edit(job, name="other", build="elsewhere")
    for words in (
        ("tag", "solo", "--add", "x", "--yes"),
        ("stop", "alone", "--yes"),
        ("assets", "solo", "--delete", "--yes"),
    ):
        wrong = desk.say(*words, code=2).exception
        assert "it is now 'other' in build 'elsewhere'" in str(wrong), words
    assert desk.writes() == []
    assert len(desk.sandbox.log) > asked
    desk.say("tag", job[:10], "--add", "x", "--yes")


def test_a_job_whose_row_cannot_be_read_is_among_those_that_an_id_may_begin(desk: Commands) -> None:
    desk.say("plan")
    newer = desk.sandbox.arrive(created_at=int(time.time()) - 60)
    desk.sandbox.inject("bad_row", endpoint="jobs.list", only=newer, kind="exponent")
    assert f"is job {newer}" in desk.say("tag", newer[:10], "--add", "x", "--yes").stderr


def test_a_job_of_somebody_whom_the_account_is_not_about_needs_its_whole_id(desk: Commands) -> None:
    """What is known of who has left `users` is as old as their last listing."""
    theirs = desk.sandbox.arrive(created_at=int(time.time()) - 3 * DAY, owner="alice")
    desk.sandbox.edit(theirs, name="hers")
    desk.configure(POLICY, budget=", users: [demo, alice]")
    desk.say("plan")
    desk.configure(POLICY)
    for text in ("hers", theirs[:10]):
        wrong = desk.say("tag", text, "--add", "x", "--yes", code=2).exception
        assert "its user is not one of account box now: give the whole id" in str(wrong)
    assert desk.writes() == []


def test_a_held_job_that_no_listing_shows_makes_a_beginning_ambiguous(desk: Commands) -> None:
    """Else the hold of the job that is listed is lifted, and its owner's policies delete it."""
    desk.say("plan")
    job = _solo(desk)
    unlisted = job[:12] + "".join("0" if digit != "0" else "1" for digit in job[12:])
    desk.say("hold", "add", job, unlisted, "--reason", "why")
    wrong = desk.say("hold", "release", job[:12], "--yes", code=2).exception
    assert f"is also the held job {unlisted}" in str(wrong)
    assert len(json.loads(desk.say("hold", "list", "--format", "json").stdout)) == 2
    desk.say("hold", "release", job[:13], "--yes")


def test_no_match_names_what_is_near(desk: Commands) -> None:
    desk.say("plan")
    wrong = desk.say("explain", "SOL", code=2).exception
    assert f"did you mean: {_solo(desk)} (of demo: solo in build alone)" in str(wrong)
    desk.say("hold", "add", "nothing", "--reason", "x", code=2)
    assert json.loads(desk.say("hold", "list", "--format", "json").stdout) == []


def test_stdin_takes_ids_and_beginnings_and_no_names(desk: Commands) -> None:
    desk.say("plan")
    job = _solo(desk)
    desk.say("hold", "add", "-", "--reason", "why", stdin=f"{job[:9]}\n{job}\n")
    assert [
        hold["job_id"] for hold in json.loads(desk.say("hold", "list", "--format", "json").stdout)
    ] == [job]
    desk.say("hold", "add", "-", "--reason", "why", stdin="solo\n", code=2)


def test_an_approval_takes_the_beginning_of_the_digest(desk: Commands) -> None:
    digest = desk.config.policy_digest("box")
    said = desk.say("approve", digest.removeprefix("sha256:")[:10], "--reason", "why", "--yes")
    assert f"is the policy digest {digest}" in said.stderr
    assert desk.state.approvals.in_force("box", digest, at=int(time.time()))
    desk.say("approve", "ab", "--reason", "why", "--yes", code=2)
