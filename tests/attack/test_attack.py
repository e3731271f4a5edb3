"""A sample of the attack, the same each time: every kind of fault, strike, damage and pair at least
once.

`make attack` has it all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sauce_janitor.sandbox.faults.decorators import SETTINGS
from tests.attack import damage, sweeps
from tests.attack.processes import nursery
from tests.attack.run import memory
from tests.attack.schedule import STAGGERED, Schedule
from tests.attack.seeds import live_through
from tests.attack.strikes import CHANGING, FILES, NETWORK, Call
from tests.attack.sweeps import Tally
from tests.attack.world import Worlds

SEEDS = (1, 26)
KILLED_AT = (0.06, 0.31, 0.55, 0.78, 0.97)
"""Where in a run it is struck, as a share of its calls."""
FAILED_AT = (0.15, 0.4, 0.65, 0.82, 0.96)
FAILED_FROM = (0.26, 0.55, 0.85)
SHORTENED_AT = (0.31, 0.72, 0.95)


@pytest.fixture(scope="module")
def worlds(component: Callable[[str], Path]) -> Iterator[Worlds]:
    component("cc")
    with (
        tempfile.TemporaryDirectory(prefix="attack-", dir=memory()) as folder,
        nursery(Path(folder) / "forks") as forks,
    ):
        yield Worlds(forks, Path(folder) / "worlds")


def call(worlds: Worlds, share: float, kinds: Call) -> int:
    """The number of the call at this share of a run."""
    return max(1, int(worlds.calls(kinds) * share))


def assert_no_violation(tally: Tally) -> None:
    assert tally.violations == [], "\n".join(tally.violations)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_schedule_of_faults_ends_well(worlds: Worlds, seed: int) -> None:
    tally = Tally()
    live_through(worlds, tally, Schedule.of(seed))
    assert_no_violation(tally)


def test_every_fault_of_the_vendor_strikes_and_all_ends_well(worlds: Worlds) -> None:
    tally = Tally()
    for number in range(STAGGERED):
        live_through(worlds, tally, Schedule.staggered(number))
    assert sorted(name for name in SETTINGS if not tally.faults[name]) == []
    assert_no_violation(tally)


@pytest.mark.parametrize("at", KILLED_AT)
def test_a_run_killed_at_a_call_ends_as_if_it_never_had_been(worlds: Worlds, at: float) -> None:
    tally = Tally()
    assert sweeps.kill(worlds, tally, call(worlds, at, CHANGING | NETWORK)), (
        "the run was over before"
    )
    assert_no_violation(tally)


@pytest.mark.parametrize("at", FAILED_AT)
def test_a_run_of_which_a_file_call_fails_ends_well_when_it_is_tried_again(
    worlds: Worlds, at: float
) -> None:
    tally = Tally()
    assert sweeps.fail(worlds, tally, call(worlds, at, FILES)), "the run was over before"
    assert tally.errors.total() == 1
    assert_no_violation(tally)


@pytest.mark.parametrize("at", FAILED_FROM)
def test_a_run_of_which_every_later_file_call_fails_ends_well_when_it_is_tried_again(
    worlds: Worlds, at: float
) -> None:
    tally = Tally()
    assert sweeps.fail(worlds, tally, call(worlds, at, FILES), lasts=True), (
        "the run was over before"
    )
    assert_no_violation(tally)


@pytest.mark.parametrize("at", SHORTENED_AT)
def test_a_run_of_which_a_write_is_cut_short_ends_well(worlds: Worlds, at: float) -> None:
    tally = Tally()
    assert sweeps.shorten(worlds, tally, call(worlds, at, Call.WRITE)), "the run was over before"
    assert_no_violation(tally)


@pytest.mark.parametrize(("at", "suspended"), [(0.6, False), (0.7, True), (0.9, False)])
def test_a_run_that_was_frozen_sends_nothing_that_rests_on_what_it_knew(
    worlds: Worlds, at: float, *, suspended: bool
) -> None:
    tally = Tally()
    assert sweeps.freeze(worlds, tally, call(worlds, at, sweeps.FREEZING), suspended=suspended), (
        "the run was over before"
    )
    assert_no_violation(tally)


@pytest.mark.parametrize("number", range(len(damage.STATES)))
def test_a_damaged_state_deletes_nothing_that_is_not_archived(worlds: Worlds, number: int) -> None:
    tally = Tally()
    damage.damaged_state(worlds, tally, number)
    assert_no_violation(tally)


@pytest.mark.parametrize("number", range(len(damage.ARCHIVES)))
def test_nothing_is_deleted_whose_copy_was_damaged(worlds: Worlds, number: int) -> None:
    tally = Tally()
    damage.damaged_archive(worlds, tally, 2 * len(damage.ARCHIVES) + number)
    assert_no_violation(tally)


@pytest.mark.parametrize(
    ("attack", "number"),
    [(damage.two_runs, 1), (damage.two_runs, 2), (damage.two_states, 2), (damage.two_archives, 1)],
)
def test_two_janitors_at_once_lose_nothing(
    worlds: Worlds, attack: Callable[[Worlds, Tally, int], None], number: int
) -> None:
    tally = Tally()
    attack(worlds, tally, number)
    assert tally.pairs == 1
    assert_no_violation(tally)
