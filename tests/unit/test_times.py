"""Times as people read them: in their zone, with a name that tells which of two hours it is."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from sauce_janitor.times import day, iso, show_times_in, when

TWICE = 1_792_888_200
"""2026-10-25 00:30 UTC: half an hour before the clocks of Berlin are set back from 3 to 2."""


def test_without_a_configuration_times_are_in_utc() -> None:
    assert when(TWICE) == "2026-10-25 00:30 UTC"
    assert when(None) == "-"


def test_the_hour_that_clocks_repeat_is_told_apart_by_the_zones_name() -> None:
    show_times_in(ZoneInfo("Europe/Berlin"))
    assert [when(TWICE), when(TWICE + 3600)] == ["2026-10-25 02:30 CEST", "2026-10-25 02:30 CET"]


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("Asia/Colombo", "+0530"),
        ("America/Sao_Paulo", "-03"),
        ("Asia/Kathmandu", "+0545"),
        ("Etc/UTC", "UTC"),
        ("America/New_York", "EDT"),
    ],
)
def test_a_zone_without_a_name_has_its_offset(zone: str, shown: str) -> None:
    show_times_in(ZoneInfo(zone))
    assert when(TWICE).split()[2] == shown


def test_days_are_those_of_the_zone_and_machines_read_utc() -> None:
    show_times_in(ZoneInfo("Pacific/Auckland"))
    assert day(1_792_929_600) == "2026-10-26"
    assert when(TWICE, seconds=True) == "2026-10-25 13:30:00 NZDT"
    assert iso(TWICE) == "2026-10-25T00:30:00Z"
