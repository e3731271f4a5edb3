"""The file in which requests are counted: what can happen to it, and to the clocks of its host."""

from __future__ import annotations

import os
import resource
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from sauce_janitor.errors import BudgetSpentError, StateError
from sauce_janitor.sauce.budget import credential_rows
from tests.fakes.clocks import Clock
from tests.support.request_counts import Counted, OpenBudget, take


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    with ExitStack() as stack:
        yield Counted(str(tmp_path / "state.db"), stack)


@pytest.fixture
def clock(counted: Counted) -> Clock:
    return counted.clock


@pytest.fixture
def open_budget(counted: Counted) -> OpenBudget:
    """Makes budgets as processes on one state would; `lost` collects what is told."""
    return counted.budget


def test_only_its_owner_can_read_the_file(tmp_path: Path, open_budget: OpenBudget) -> None:
    old = os.umask(0)
    try:
        open_budget().take()
    finally:
        os.umask(old)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == dict.fromkeys(
        ["state.db.budget", "state.db.budget-wal", "state.db.budget-shm"], 0o600
    )


def test_without_a_limit_there_is_no_file_until_sauce_labs_sets_one(
    tmp_path: Path, open_budget: OpenBudget
) -> None:
    one = open_budget(per_hour=None)
    one.take()
    assert one.left() is None
    assert list(tmp_path.iterdir()) == []
    one.learn(429, {}, now=0)
    other = open_budget(per_hour=None)
    other.take()
    assert other.take().waited_s > 0.1


def spoil(how: str, file: Path) -> None:
    for leftover in file.parent.glob(f"{file.name}-*"):
        leftover.unlink()
    match how:
        case "garbage":
            file.write_bytes(b"not a database" * 1000)
        case "zeros":
            file.write_bytes(file.read_bytes()[:100] + bytes(file.stat().st_size - 100))
        case "cut":
            file.write_bytes(file.read_bytes()[:5000])
        case "empty":
            file.write_bytes(b"")
        case "gone":
            file.unlink()
        case "another":
            file.unlink()
            with closing(sqlite3.connect(file)) as other, other:
                other.execute("CREATE TABLE elsewhere (x)")


@pytest.mark.parametrize("how", ["garbage", "zeros", "cut", "empty", "gone", "another"])
def test_a_lost_count_is_told_and_taken_for_spent_for_an_hour(
    tmp_path: Path, clock: Clock, open_budget: OpenBudget, how: str
) -> None:
    first = open_budget()
    take(first, 4)
    first.close()
    spoil(how, tmp_path / "state.db.budget")
    told: list[str] = []
    second = open_budget(lost=told, before=True)
    assert second.left() == 0
    with pytest.raises(BudgetSpentError, match="in 60 min"):
        second.take()
    assert len(told) == 1
    assert "was lost: for an hour, its requests count as spent" in told[0]
    clock.seconds += 1800
    other = open_budget(user="john")
    with pytest.raises(BudgetSpentError, match="in 30 min"):
        other.take()
    clock.seconds += 1801
    second.take()
    assert second.left() == 9


@pytest.mark.parametrize("how", ["gone", "another"])
def test_what_happens_to_the_file_while_it_is_open_is_noticed_before_the_next_request(
    tmp_path: Path, open_budget: OpenBudget, how: str
) -> None:
    told: list[str] = []
    one, other = open_budget(lost=told), open_budget(lost=told)
    one.take()
    other.take()
    spoil(how, tmp_path / "state.db.budget")
    for each in (one, other):
        with pytest.raises(BudgetSpentError):
            each.take()
    assert len(told) == 1, "only one of them makes it anew"


@pytest.mark.parametrize("how", ["a folder", "a link"])
def test_what_is_no_file_is_left_alone_and_nothing_is_sent(
    tmp_path: Path, open_budget: OpenBudget, how: str
) -> None:
    path = tmp_path / "state.db.budget"
    if how == "a folder":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StateError, match="is not a file: move it away"):
        open_budget().take()
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("opened_before", [False, True])
def test_nothing_is_sent_that_cannot_be_counted(
    tmp_path: Path, open_budget: OpenBudget, opened_before: bool
) -> None:
    one = open_budget(per_hour=10_000)
    if opened_before:
        one.take()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (4096, hard)
    )  # a disk with no room for more, as far as this process sees
    try:
        with pytest.raises(StateError, match="no request is sent that is not counted: make room"):
            take(one, 200)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    one.take()


def test_a_lock_that_is_never_given_back_ends_in_a_sentence(
    tmp_path: Path, open_budget: OpenBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sauce_janitor.sauce.budget.count_file._LONGEST_LOCK_S", 0.05)
    one = open_budget()
    one.take()
    with closing(sqlite3.connect(tmp_path / "state.db.budget", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StateError, match="another process has locked it"):
            one.take()
        holder.execute("ROLLBACK")
    one.take()


# --- clocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead_s", [-86_400, -10, 0, 10, 86_400])
def test_a_wall_clock_that_is_set_changes_nothing(
    clock: Clock, open_budget: OpenBudget, ahead_s: int
) -> None:
    first = open_budget()
    take(first, 4)
    clock.ahead_s = ahead_s
    assert first.left() == open_budget().left() == 6
    clock.seconds += 3602
    assert open_budget().left() == 10


@pytest.mark.parametrize(
    ("uptime", "passed", "left"),
    [
        (5, 60, 6),
        (5, 3602, 10),
        (900_000, 60, 6),
        (900_000, 3602, 10),
        (5, -86_400, 6),
        (900_000, -86_400, 6),
    ],
)
def test_after_a_reboot_or_on_another_host_the_wall_clock_says_what_has_passed(
    clock: Clock,
    open_budget: OpenBudget,
    monkeypatch: pytest.MonkeyPatch,
    uptime: int,
    passed: int,
    left: int,
) -> None:
    """And a clock that went backwards says that nothing has."""
    first = open_budget()
    take(first, 4)
    first.close()
    wall = clock.time()
    monkeypatch.setattr(credential_rows, "_boot", lambda: "another")
    clock.seconds = float(uptime)
    clock.ahead_s = wall + passed - uptime
    assert open_budget().left() == left
    clock.seconds += 3602
    assert open_budget().left() == 10


def test_the_same_boot_with_less_on_its_clock_is_another_one(
    clock: Clock, open_budget: OpenBudget
) -> None:
    """A machine that was put back to an earlier moment."""
    first = open_budget()
    take(first, 4)
    clock.seconds -= 500
    clock.ahead_s += 600
    assert open_budget().left() == 6
    clock.seconds += 3502
    assert open_budget().left() == 10


def test_a_hold_and_a_slow_hour_outlive_a_reboot(
    clock: Clock, open_budget: OpenBudget, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_budget()
    first.learn(429, {}, now=0)
    first.hold_back(600)
    first.close()
    wall = clock.time()
    monkeypatch.setattr(credential_rows, "_boot", lambda: "another")
    clock.seconds = 10.0
    clock.ahead_s = wall + 100 - 10
    again = open_budget()
    assert again.goes_on_in() == pytest.approx(500, abs=0.01)
    clock.seconds += 501
    assert again.left() == 5
    clock.seconds += 3000
    assert again.left() == 10
