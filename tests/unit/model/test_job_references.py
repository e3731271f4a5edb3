"""A job by its id, the beginning of one, an address or a name: one job, or one sentence."""

from __future__ import annotations

import pytest

from sauce_janitor.model.job_references import (
    Candidate,
    build_reference,
    job_reference,
    only,
    only_digest,
)
from sauce_janitor.model.jobs import Owner
from tests.fakes.job_list import an_id

WHOLE = "0a1b2c3d4e5f60718293a4b5c6d7e8f9"


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f" {WHOLE.upper()} ",
        f"https://app.saucelabs.com/tests/{WHOLE}",
        f"https://app.saucelabs.com/tests/{WHOLE}?auth=0123abcd",
        f"https://app.eu-central-1.saucelabs.com/tests/{WHOLE}#12",
        f"https://app.saucelabs.com/beta/tests/{WHOLE}/watch",
        f"https://saucelabs.com/jobs/{WHOLE.upper()}?x=1",
        f"HTTPS://api.us-west-1.saucelabs.com/rest/v1/demo/jobs/{WHOLE}",
    ],
)
def test_an_id_is_known_in_every_form(text: str) -> None:
    assert job_reference(text).id == WHOLE


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"https://evil.example/tests/{WHOLE}", "is not an address at saucelabs.com"),
        (
            f"https://app.saucelabs.com.evil.example/tests/{WHOLE}",
            "is not an address at saucelabs.com",
        ),
        (f"https://notsaucelabs.com/tests/{WHOLE}", "is not an address at saucelabs.com"),
        ("https://app.saucelabs.com/tests/0a1b2c3d", "is not the address of a job"),
        (f"https://app.saucelabs.com/builds/vdc/{WHOLE}", "is not the address of a job"),
        ("https://[", "is not an address at saucelabs.com"),
        ("  ", "an empty text does not name a job"),
    ],
)
def test_what_is_no_address_of_a_job_is_refused_in_one_sentence(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as wrong:
        job_reference(text)
    assert "\n" not in str(wrong.value)


def test_the_key_in_an_address_is_in_no_message() -> None:
    assert (
        "s3cret" not in job_reference(f"https://app.saucelabs.com/tests/{WHOLE}?auth=s3cret").text
    )
    with pytest.raises(ValueError, match="is not an address") as wrong:
        job_reference("https://evil.example/?auth=s3cret")
    assert "s3cret" not in str(wrong.value)


def test_four_digits_may_begin_an_id_and_fewer_are_a_name() -> None:
    assert job_reference("0A1B").prefix == "0a1b"
    assert job_reference("0a1").prefix is None
    assert job_reference("login test").prefix is None
    assert job_reference("dead beef").name == "dead beef"


def test_a_build_is_known_by_its_address() -> None:
    assert build_reference("https://app.saucelabs.com/builds/vdc/ab12?x") == "ab12"
    assert build_reference("https://app.eu-central-1.saucelabs.com/builds/rdc/ab12/tests") == "ab12"
    assert build_reference("https://app.saucelabs.com/builds/ab12") == "ab12"
    assert build_reference(" nightly 7 ") == "nightly 7"
    for text in ("https://app.saucelabs.com/tests/ab12", "https://evil.example/builds/vdc/ab12"):
        with pytest.raises(ValueError, match="is not"):
            build_reference(text)


def test_several_jobs_are_one_sentence_with_three_of_them() -> None:
    some = [Candidate(an_id(number), Owner("demo"), "login", "nightly") for number in range(5)]
    with pytest.raises(ValueError, match="'login' matches 5 jobs, and must match one") as wrong:
        only(job_reference("login"), some)
    said = str(wrong.value)
    assert all(each.id in said for each in some[:3])
    assert some[3].id not in said
    assert said.endswith("and 2 more: give more of the id")
    assert only(job_reference("login"), [some[0], some[0]]) is some[0]


def test_no_job_is_one_sentence_with_what_is_near() -> None:
    near = [Candidate(an_id(1), Owner("demo"), "login test")]
    with pytest.raises(ValueError, match=f"'login'; did you mean: {an_id(1)}"):
        only(job_reference("login"), [], near)
    with pytest.raises(ValueError, match="an id needs at least 4 digits"):
        only(job_reference("0a1"), [])


def test_a_digest_is_known_by_its_beginning() -> None:
    digests = ["sha256:abcd01", "sha256:abcd02", "sha256:ffff00"]
    assert only_digest("sha256:abcd01", digests) == "sha256:abcd01"
    assert only_digest("FFFF", digests) == "sha256:ffff00"
    assert only_digest("abcd", digests) is None
    assert only_digest("fff", digests) is None, "too short"
    assert only_digest("sha256:", digests[:1]) is None
