"""Lives through the schedule of a seed: faulted runs first, then undisturbed ones that must bring
all to its end.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Final

from sauce_janitor.errors import JanitorError
from sauce_janitor.model.jobs import JobId
from sauce_janitor.state import State
from tests.attack.schedule import Pass, Schedule
from tests.attack.sweeps import Tally
from tests.attack.world import End, ViolationError, World, Worlds

FULL_S: Final = 65
"""Past `full_every`: a full listing puts right what a lying one left behind."""


def live_through(worlds: Worlds, tally: Tally, schedule: Schedule) -> None:
    """One schedule, from the beginning to the end; what is wrong goes into the tally."""
    end = None if schedule.alters else worlds.end(schedule.shape)
    tally.seeds += 1
    with worlds.world(schedule.shape) as world:
        armed = [world.sandbox.inject(**fault) for fault in schedule.faults]
        world.oracle.loose |= schedule.loose
        world.configure(workers=schedule.workers, attempts=schedule.attempts)
        try:
            _begin(world, schedule)
            for each in schedule.passes:
                _suffer(world, schedule, each, tally)
                if armed and all(fault.times and fault.fired == fault.times for fault in armed):
                    break  # nothing is left of them
            world.sandbox.faults.disarm()
            _recover(world, schedule)
            if end is not None:
                _compare(world, schedule, end)
            world.judge()
        except (ViolationError, TimeoutError, JanitorError, sqlite3.Error) as wrong:
            found = dict.fromkeys([*world.oracle.wrong, str(wrong)])
            tally.violations.append("\n".join([str(schedule), *found]))
        for fault in armed:
            tally.faults[fault.name] += fault.fired
        tally.writes += world.oracle.writes


def _compare(world: World, schedule: Schedule, end: End) -> None:
    """S11: the same end as undisturbed."""
    found = world.end()
    if "documents" in schedule.loose:
        found, end = found.without_documents(), end.without_documents()
    if differs := found.differs(end):
        world.oracle.wrong.append(f"S11: {differs}")


def _begin(world: World, schedule: Schedule) -> None:
    """A look, which must change nothing (S2), and the holds that are there from the beginning."""
    if not (schedule.looks_first or schedule.held):
        return
    world.run("plan")
    if world.oracle.writes:
        world.oracle.wrong.append("S2: a plan was a write")
    if schedule.held and world.state.exists():
        _hold(world, *schedule.held)


def _hold(world: World, *numbers: int) -> None:
    jobs = list(world.sandbox.job_ids(even_deleted=True))
    held = [jobs[number % len(jobs)] for number in numbers]
    with State.open(world.state) as state:
        state.holds.add(
            "box", [JobId(one) for one in held], by="t", reason="t", at=int(time.time()), until=None
        )
    world.oracle.held_here |= set(held)


def _suffer(world: World, schedule: Schedule, each: Pass, tally: Tally) -> None:
    """One faulted run."""
    world.pass_time(5)  # what was listed in this very second is not listed again
    world.configure(limit=each.limit, workers=schedule.workers, attempts=schedule.attempts)
    oracle = world.oracle
    oracle.begin_run(limit=each.limit)
    oracle.events = _events(world, schedule, each)
    process = world.run(strike=each.strike)
    oracle.events = {}
    tally.runs += 1
    if process.page.fired and each.strike is not None:
        match each.strike.deed:
            case "kill":
                tally.kills += 1
            case "shorten":
                tally.shortened += 1
            case _:
                tally.errors[process.page.error] += 1
    if oracle.is_paused:
        oracle.is_paused = False
        with State.open(world.state) as state:
            state.switch.resume(by="t", at=int(time.time()))


def _events(world: World, schedule: Schedule, each: Pass) -> dict[int, Callable[[], None]]:
    oracle = world.oracle

    def hold() -> None:
        jobs = list(world.sandbox.job_ids())
        if jobs:
            world.sandbox.edit(jobs[each.job % len(jobs)], tags=["keep"])

    def pause() -> None:
        with State.open(world.state) as state:
            state.switch.pause(by="t", reason="t", at=int(time.time()))
        oracle.is_paused, oracle.after_pause = True, schedule.workers

    found: dict[int, Callable[[], None]] = {}
    if each.held_at:
        found[each.held_at] = hold
    if each.held_here_at:
        found[each.held_here_at] = lambda: _hold(world, each.job)
    if each.paused_at:
        found[each.paused_at] = pause
    return found


def _recover(world: World, schedule: Schedule) -> None:
    """L1: two runs bring all to its end, those that wait for their next try too; a third has
    nothing to do.
    """
    world.configure()
    for count in world.folder.glob("state.db.budget*"):
        count.unlink()  # a Retry-After holds everything back for up to an hour, which is over now
    for _ in range(2):
        world.pass_time(FULL_S)
        world.oracle.begin_run()
        world.run("run", "--execute", "--accept-loss", "--retry-now")
    before = world.oracle.writes
    world.pass_time(5)
    last = world.run()
    if last.code and not schedule.names_phantoms:
        world.oracle.wrong.append(
            f"L1: the third run without faults ended {last.code}: {last.said[-400:]}"
        )
    if world.oracle.writes != before:
        world.oracle.wrong.append("L1: a third run without faults had something left to do")
