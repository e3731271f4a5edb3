"""The limit counts in sliding windows and says when to come again."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

import pytest

from sauce_janitor.sandbox.core.options import Behaviours, Rate
from sauce_janitor.sandbox.throttle import Throttle


def waits(
    throttle: Throttle, times: list[float], *, endpoint: str = "jobs.list", user: str = "demo"
) -> list[float]:
    budgets = [throttle.ask(user, endpoint, time) for time in times]
    return [budget.wait_s for budget in budgets if budget is not None]


def test_without_a_rate_nothing_is_counted() -> None:
    assert Throttle(Rate(), Behaviours()).ask("demo", "jobs.list", 0) is None


def test_no_second_holds_more_than_the_rate_wherever_it_begins() -> None:
    throttle = Throttle(Rate(per_second=2), Behaviours())

    assert waits(throttle, [0.0, 0.9, 0.95, 1.0, 1.5, 1.9]) == pytest.approx(
        [0, 0, 0.05, 0, 0.4, 0]
    )


def test_the_hour_counts_too() -> None:
    throttle = Throttle(Rate(per_second=10, per_hour=3), Behaviours())

    assert waits(throttle, [0, 1, 2, 3, 3600, 3600.5]) == pytest.approx([0, 0, 0, 3597, 0, 0.5])


def test_users_do_not_share_a_bucket_and_endpoints_only_if_told() -> None:
    shared = Throttle(Rate(per_second=1), Behaviours())
    apart = Throttle(Rate(per_second=1), Behaviours(rate_bucket="endpoint"))

    assert waits(shared, [0]) + waits(shared, [0], user="alice") + waits(
        shared, [0], endpoint="job.get"
    ) == [0, 0, 1]
    assert waits(apart, [0]) + waits(apart, [0], endpoint="job.get") == [0, 0]


def test_the_refusal_says_when_to_come_again() -> None:
    throttle = Throttle(Rate(per_second=0.1), Behaviours())
    throttle.ask("demo", "jobs.list", 100.0)
    budget = throttle.ask("demo", "jobs.list", 101.0)
    assert budget is not None
    answer = throttle.refusal(budget, 1_760_000_000)

    assert answer.status == 429
    assert answer.headers == {
        "X-Ratelimit-Limit": "1",
        "X-Ratelimit-Remaining": "0",
        "X-Ratelimit-Reset": "9",
        "Retry-After": "9",
    }


def test_the_refusal_can_speak_the_other_dialects() -> None:
    throttle = Throttle(
        Rate(per_second=1), Behaviours(rate_reset="epoch", rate_body="html", retry_after="date")
    )
    throttle.ask("demo", "jobs.list", 0)
    budget = throttle.ask("demo", "jobs.list", 0)
    assert budget is not None
    answer = throttle.refusal(budget, 1_760_000_000)

    assert answer.body.startswith(b"<html>")
    assert answer.headers["X-Ratelimit-Reset"] == "1760000001"
    assert parsedate_to_datetime(answer.headers["Retry-After"]).timestamp() == 1_760_000_001


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10", Rate(10)),
        ("10/s", Rate(10)),
        ("0.5/s", Rate(0.5)),
        ("3500/h", Rate(None, 3500)),
        ("10/s, 3500/h", Rate(10, 3500)),
    ],
)
def test_rates_are_written_as_people_say_them(text: str, rate: Rate) -> None:
    assert Rate.parse(text) == rate


@pytest.mark.parametrize("text", ["", "x", "10/m", "-1", "0/s", "1.5/h", "inf", "nan", "10/s,"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a rate is like"):
        Rate.parse(text)
