"""Clocks that jump and clocks that change: the daemon oversleeps nothing, and runs each time once.

APScheduler alone oversleeps: no change of the date ends its wait, and its times stay where a wrong
date put them.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pytest

from sauce_janitor.config import load
from sauce_janitor.daemon.daemon import Daemon
from tests.support.daemon import START, Driven, Scene, until

HOUR = 3600
DAY = 24 * HOUR
FIRST = 17 * 60


@dataclass
class RealWait(Driven):
    """A clock on which a wait takes as long as it says."""

    waits: int = 0

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waits += 1
        return event.wait(min(seconds, HOUR))


@contextmanager
def serving(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[RealWait]:
    """A daemon with its threads, which waits for its first due time at 17 minutes past."""
    clock = RealWait()
    scene.clock = scene.worked.clock = clock
    scene.__post_init__()
    monkeypatch.setattr(
        "sauce_janitor.daemon.rounds.a_run", lambda *, execute: scene.worked.of("run")
    )
    scene.configure('schedule: {cron: "17 * * * *", jitter: 0s}\nweb: {listen: "127.0.0.1:0"}\n')
    config = load(scene.folder / "config.yaml", environ={"KEY": "x"})
    daemon = Daemon(config, execute=False, clock=clock)
    daemon.start()
    try:
        # The first wait ends at once, because a time was set.
        until(lambda: clock.waits >= 2, "its wait for the first due time")
        yield clock
    finally:
        daemon.stop()
        until(daemon.has_ended, "its end")
        daemon.close()


def test_a_clock_that_jumps_a_day_ahead_while_the_daemon_waits_starts_one_run_at_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a suspend. Without the heartbeat it would wait 17 minutes more."""
    with serving(scene, monkeypatch) as clock:
        clock.at += DAY
        until(lambda: scene.worked.runs, "the run")
        clock.at += 10 * 60
        waits = clock.waits
        until(lambda: clock.waits >= waits + 2, "two more rounds")
    assert scene.worked.runs == [DAY]


def test_a_clock_that_is_set_back_an_hour_does_not_put_the_next_run_off(scene: Scene) -> None:
    rounds = scene.rounds()
    scene.go(rounds, HOUR)
    scene.clock.at -= HOUR
    scene.go(rounds, HOUR)
    assert scene.worked.runs == [FIRST, FIRST]


def test_after_a_wrong_date_of_a_year_ahead_the_next_run_is_at_its_next_time(scene: Scene) -> None:
    """One run is due while the date is wrong, and none is put off until that date comes."""
    rounds = scene.rounds()
    scene.go(rounds)
    scene.clock.at += 365 * DAY
    scene.go(rounds)
    scene.clock.at -= 365 * DAY
    scene.go(rounds, HOUR)
    assert scene.worked.runs == [365 * DAY, FIRST]


def test_two_hundred_years_of_missed_minutes_are_one_run_at_once(scene: Scene) -> None:
    """A machine without a battery may begin with any date. APScheduler would walk through each
    minute that has passed.
    """
    scene.configure('schedule: {cron: "* * * * *", jitter: 0s}\n')
    rounds = scene.rounds()
    scene.go(rounds)
    late = 200 * 365 * DAY
    scene.clock.at += late
    scene.go(rounds, 120)
    assert scene.worked.runs == [late, late + 60, late + 120]


@pytest.mark.parametrize(
    ("night", "cron", "expected"),
    [
        # Clocks go from 02:00 to 03:00 at 01:00 UTC.
        ("2027-03-27T20:00", "30 2 * * *", ["28 03:30 CEST", "29 02:30 CEST"]),
        ("2027-03-27T23:30", "17 * * * *", ["28 01:17 CET", "28 03:17 CEST", "28 04:17 CEST"]),
        # Clocks go from 03:00 to 02:00 at 01:00 UTC.
        ("2027-10-30T20:00", "30 2 * * *", ["31 02:30 CEST", "01 02:30 CET"]),
        ("2027-10-30T23:30", "17 * * * *", ["31 02:17 CEST", "31 02:17 CET", "31 03:17 CET"]),
    ],
)
def test_in_the_nights_when_clocks_change_no_run_is_lost_and_none_is_doubled(
    scene: Scene, night: str, cron: str, expected: list[str]
) -> None:
    scene.configure(f'timezone: Europe/Berlin\nschedule: {{cron: "{cron}", jitter: 0s}}\n')
    scene.clock.at = dt.datetime.fromisoformat(f"{night}+00:00").timestamp()
    if cron.startswith("17"):
        scene.go(scene.rounds(), 3 * HOUR)
    else:
        scene.go(scene.rounds(), 31 * HOUR, step=600)
    berlin = ZoneInfo("Europe/Berlin")
    began = [dt.datetime.fromtimestamp(START + at, berlin) for at in scene.worked.runs]
    assert [f"{at:%d %H:%M %Z}" for at in began] == expected
