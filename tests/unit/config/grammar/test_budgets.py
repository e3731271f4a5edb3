"""The budget as written becomes one timetable in the configuration's time zone."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sauce_janitor.config import Config
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.model.request_allowance import RequestAllowance

ZONE = ZoneInfo("Europe/Berlin")


def load(budget: str, where: str = "region: eu") -> Config:
    text = f"timezone: Europe/Berlin\naccounts: {{eu: {{{where}, budget: {budget}}}}}\n"
    return from_bytes(text.encode(), Path("config.yaml"), environ={})


def allowed(config: Config, moment: str) -> RequestAllowance:
    return config.account("eu").budget.at(
        datetime.fromisoformat(moment).replace(tzinfo=ZONE).timestamp()
    )


def test_windows_are_in_the_time_zone_and_take_from_the_day_what_they_do_not_say() -> None:
    config = load(
        '{per_hour: 2000, windows: [{from: "08:00", to: "18:00", days: mon-fri, per_hour: 500}]}'
    )
    assert allowed(config, "2026-11-23T07:59") == RequestAllowance(2, 2000, 5)
    assert allowed(config, "2026-11-23T08:00") == RequestAllowance(2, 500, 5)
    assert allowed(config, "2026-11-22T08:00") == RequestAllowance(2, 2000, 5)


@pytest.mark.parametrize(
    ("window", "moments"),
    [
        ("{days: sun, per_hour: 0}", ["2026-11-22T00:00", "2026-11-22T23:59"]),
        (
            "{days: sat-mon, per_hour: 0}",
            ["2026-11-21T00:00", "2026-11-22T12:00", "2026-11-23T23:59"],
        ),
        ('{from: "22:00", to: "6:00", per_hour: 0}', ["2026-11-22T22:00", "2026-11-22T05:59"]),
        (
            '{from: "18:00", to: "24:00", days: sun, per_hour: 0}',
            ["2026-11-22T18:00", "2026-11-22T23:59"],
        ),
    ],
)
def test_days_and_hours_are_taken_as_they_are_meant(window: str, moments: list[str]) -> None:
    config = load(f"{{windows: {window}}}")
    assert [allowed(config, moment).per_hour for moment in moments] == [0] * len(moments)
    covered = config.account("eu").budget.windows[0].minutes()
    assert len(covered) in {1440, 3 * 1440, 7 * 480, 360}


def test_windows_that_touch_do_not_overlap() -> None:
    load(
        '{windows: [{from: "08:00", to: "12:00", per_hour: 9}, {from: "12:00", to: "08:00",'
        " per_hour: 8}]}"
    )


def test_a_loopback_address_has_no_limit_of_itself() -> None:
    assert load("{}", "base_url: 'http://127.0.0.1:1'").account("eu").budget.unlimited
    assert load("{}").account("eu").budget.usual == RequestAllowance(2, 1500, 5)
