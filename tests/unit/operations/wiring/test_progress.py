"""Progress says what is true: a share never above 100 %, a rate of the last minute, and a time left
where it can be told.
"""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sauce_janitor.errors import StateError
from sauce_janitor.operations.wiring import progress
from sauce_janitor.operations.wiring.progress import (
    PhaseProgress,
    ProgressTracker,
    PublishedProgress,
    stepping,
    under_way,
)
from sauce_janitor.state import Notes
from tests.fakes.screen import Screen


class Ticks:
    """A clock that a test moves on."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class NotesInMemory(Notes):
    """Notes as the state keeps them, without one."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def starting(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(key for key in self.kept if key.startswith(prefix)))

    def read(self, key: str) -> str | None:
        return self.kept.get(key)

    def write(self, key: str, value: str) -> None:
        self.kept[key] = value

    def forget(self, key: str) -> None:
        self.kept.pop(key, None)


class Full(NotesInMemory):
    """The disk is full."""

    tries = 0

    def write(self, key: str, value: str) -> None:
        self.tries += 1
        raise StateError("the disk is full")


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notes are written at once."""
    monkeypatch.setattr(progress, "_FIRST_S", 0.001)
    monkeypatch.setattr(progress, "_EVERY_S", 0.001)


def test_a_phase_has_a_share_a_rate_and_a_time_left(ticks: Ticks) -> None:
    tracker = ProgressTracker(ticks)
    tracker.phase("eu", "execute", 4800)
    assert tracker.now().words() == "0 of 4,800 (0 %)", "too early for a rate"
    for _ in range(100):
        ticks.at += 5
        tracker.step()
    now = tracker.now()
    assert (now.name, now.words()) == (
        "carrying out",
        "100 of 4,800 (2 %), 12/min, 6 h 31 min left",
    )
    assert now.left_s == pytest.approx(4700 * 5)


def test_without_a_total_there_is_a_count_and_a_rate_and_no_share(ticks: Ticks) -> None:
    tracker = ProgressTracker(ticks)
    tracker.phase("eu", "list")
    ticks.at += 10
    tracker.step(1000)
    now = tracker.now()
    assert (now.words(), now.percent, now.left_s) == ("1,000, 100/s", None, None)


def test_the_rate_is_that_of_the_last_minute_and_falls_while_nothing_moves(ticks: Ticks) -> None:
    tracker = ProgressTracker(ticks)
    tracker.phase("eu", "execute", 10_000)
    for _ in range(100):  # a hundred a second, then one a second
        ticks.at += 1
        tracker.step(100)
    tracker.phase("eu", "execute", 100_000)
    for count in [100] * 100 + [1] * 100:
        ticks.at += 1
        tracker.step(count)
    assert tracker.now().per_second == pytest.approx(1.0)
    ticks.at += 600
    assert tracker.now().per_second == pytest.approx(0.1, rel=0.1)


def test_a_phase_begins_at_nothing(ticks: Ticks) -> None:
    tracker = ProgressTracker(ticks)
    tracker.phase("eu", "list")
    ticks.at += 9
    tracker.step(500)
    tracker.phase("eu", "execute", 3)
    assert tracker.now() == PhaseProgress("execute", 0, 3, None)


@given(st.integers(0, 50), st.lists(st.integers(0, 20)), st.lists(st.floats(0, 100), min_size=20))
def test_the_share_never_passes_100_and_is_100_only_when_all_is_done(
    total: int, steps: list[int], waits: list[float]
) -> None:
    ticks = Ticks()
    tracker = ProgressTracker(ticks)
    tracker.phase("eu", "execute", total)
    for count, wait in zip(steps, waits, strict=False):
        ticks.at += wait
        tracker.step(count)
        now = tracker.now()
        assert now.percent is None or 0 <= now.percent <= 100
        assert (now.percent == 100) is (bool(total) and now.done == total)
        assert now.left_s is None or now.left_s > 0
        assert re.fullmatch(
            r"[\d,]+ of [\d,]+( \(\d+ %\))?(, .*\d+/(s|min|h))?(, .+ left)?", now.words()
        ), now.words()


def test_nothing_to_do_and_a_very_slow_rate_are_said_as_they_are() -> None:
    assert PhaseProgress("execute", 0, 0, None).words() == "0 of 0"
    assert (
        PhaseProgress("execute", 1, 2, 0.0001).words()
        == "1 of 2 (50 %), less than 1/h, 2 h 46 min left"
    )


def test_records_are_handed_through_and_counted_by_the_thousand() -> None:
    steps: list[int] = []
    each = stepping(lambda: range(2500), steps.append)
    assert list(each()) == list(range(2500))
    assert list(each()) == list(range(2500))
    assert steps == [1000] * 4


# --- for others to see ----------------------------------------------------------------------------


def wait_for(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.mark.usefixtures("hurried")
def test_a_run_s_progress_is_noted_while_it_goes_on_and_gone_with_it() -> None:
    notes, shown = NotesInMemory(), ProgressTracker()
    with PublishedProgress(shown, notes, "eu", run_id="abc", mode="execute") as published:
        published.phase("eu", "execute", 8)
        published.step(2)
        wait_for(lambda: notes.kept and json.loads(notes.kept["progress eu abc"])["done"] == 2)
        [told] = under_way(notes, "eu", now=int(time.time()))
        assert (told["run_id"], told["mode"], told["done"], told["total"], told["percent"]) == (
            "abc",
            "execute",
            2,
            8,
            25,
        )
        assert told["words"].startswith("carrying out: 2 of 8 (25 %)")
        assert under_way(notes, "eu2", now=int(time.time())) == []
    assert notes.kept == {}
    assert (shown.now().done, shown.now().total) == (2, 8), "passed on"


@pytest.mark.usefixtures("hurried")
def test_a_state_that_cannot_be_written_keeps_no_run_from_going_on() -> None:
    notes = Full()
    with PublishedProgress(
        ProgressTracker(), notes, "eu", run_id="abc", mode="execute"
    ) as published:
        wait_for(lambda: notes.tries > 2)
        published.step()


def test_a_short_run_writes_nothing() -> None:
    notes = Full()
    with PublishedProgress(
        ProgressTracker(), notes, "eu", run_id="abc", mode="execute"
    ) as published:
        published.step()
    assert notes.tries == 0


def note(**fields: Any) -> str:
    whole = {
        "run_id": "old",
        "mode": "execute",
        "began_at": 5,
        "at": int(time.time()),
        "phase": "execute",
        "done": 1,
        "total": 2,
        "per_second": None,
        "process": progress._this_process(),
    }
    return json.dumps(whole | fields)


def a_dead_process() -> list[Any]:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return [*progress._this_process()[:-1], process.pid]


@pytest.mark.usefixtures("hurried")
def test_what_a_killed_run_left_is_not_shown_and_the_next_run_removes_it() -> None:
    now, notes = int(time.time()), NotesInMemory()
    notes.kept = {
        "progress eu dead": note(process=a_dead_process()),
        "progress eu old": note(at=now - 31),
        "progress eu far": note(process=["another host", 1, 1]),
        "progress us old": note(at=0),
    }
    assert [each["run_id"] for each in under_way(notes, "eu", now=now)] == ["old"]
    assert under_way(notes, "eu", now=now + 40) == []
    with PublishedProgress(ProgressTracker(), notes, "eu", run_id="new", mode="execute"):
        wait_for(lambda: "progress eu new" in notes.kept)
    assert sorted(notes.kept) == ["progress eu far", "progress us old"]


@pytest.mark.parametrize(
    "said",
    ["", "[]", "null", "{}", "7", '{"at": "x"}', note(process=[]), note(total="many"), "{" * 99],
)
def test_a_note_of_another_form_is_left_out(said: str) -> None:
    notes = NotesInMemory()
    notes.kept = {"progress eu x": said}
    assert under_way(notes, "eu", now=int(time.time())) == []


def test_the_moving_line_is_one_line_at_80_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    from sauce_janitor.cli.progress import ProgressDisplay

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self) -> bool:
            return True

    under = Terminal()
    monkeypatch.setattr(sys, "stderr", under)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with ProgressDisplay(color=False, moving=True) as shown:
        shown.phase("an-account-with-a-long-name", "look", 9_999_999)
        shown.step(1_234_567)
        assert shown._bar is not None
        shown._bar.refresh()
        shown.phase("eu", "execute", 4800)
        shown.step(1200)
        shown._bar.refresh()
    lines = [
        re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", line)
        for line in re.split(r"[\r\n]", under.getvalue())
    ]
    drawn = [line for line in lines if line.strip()]
    assert max(map(len, drawn)) <= 80
    assert any("eu: carrying out" in line and "1,200 of 4,800 (25 %)" in line for line in drawn), (
        drawn
    )


def test_the_moving_line_says_that_a_stop_was_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    from sauce_janitor.cli.progress import ProgressDisplay

    under, stop = Screen(), threading.Event()
    monkeypatch.setattr(sys, "stderr", under)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    with ProgressDisplay(color=False, moving=True, is_stopping=stop.is_set) as shown:
        shown.phase("eu", "execute", 4800)
        shown.step(1200)
        assert shown._bar is not None
        shown._bar.refresh()
        assert "Ctrl-C" not in under.text
        stop.set()
        shown._bar.refresh()
        assert "stopping; Ctrl-C again ends at once" in under.text
