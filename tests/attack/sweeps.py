"""One strike at each system call of a run, one after the other, until none fires any more; and what
must be true afterwards.
"""

from __future__ import annotations

import functools
import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.errors import JanitorError
from tests.attack.strikes import CHANGING, FILES, NETWORK, Call, Strike
from tests.attack.world import End, ViolationError, World, Worlds

NAP_S: Final = 15.0
"""How long a frozen process sleeps: longer than any answer may be old."""
FREEZING: Final = Call.RECEIVE | Call.SYNC
"""Where: when an answer is there, and on the way to the journal's line."""


@dataclass
class Tally:
    """What an attack has done so far."""

    seeds: int = 0
    kills: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    shortened: int = 0
    freezes: int = 0
    damages: int = 0
    pairs: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    writes: int = 0
    violations: list[str] = field(default_factory=list)


Point = Callable[[Worlds, Tally, int], bool]
"""Strikes at the call of that number and judges; False when the run has no such call."""


def finish(world: World, end: End | None, *, runs: int = 1) -> None:
    """Faults have stopped: so many runs at most bring all to the end of an undisturbed run. Raises
    ViolationError.
    """
    world.oracle.begin_run()
    for _ in range(runs):
        process = world.run()
        if process.code == 0:
            break
        world.pass_time(
            65
        )  # past full_every: what a lying list left behind is put right by a full one
    else:
        said = process.said.strip().splitlines()
        world.oracle.wrong.append(
            f"S11: a run without faults ended {process.code}: {' / '.join(said[-4:])}"
        )
    if end is not None and (differs := world.end().differs(end)):
        world.oracle.wrong.append(f"S11: {differs}")
    world.judge()


def kill(worlds: Worlds, tally: Tally, at: int) -> bool:
    """Killed before the N-th call that changes a disk or speaks to the network: that is after the
    one before it.
    """
    end = worlds.end()
    with worlds.world() as world:
        process = world.run(strike=Strike("kill", at, CHANGING | NETWORK))
        if not process.page.fired:
            return False
        tally.kills += 1
        _judge(world, tally, end, f"killed at call {at}, {process.page.struck}")
        return True


def fail(
    worlds: Worlds, tally: Tally, at: int, *, turn: int | None = None, lasts: bool = False
) -> bool:
    """The N-th call about a file fails, or (`lasts`) all from it on: with which error changes from
    call to call.
    """
    end = worlds.end()
    with worlds.world() as world:
        deed = "fail_on" if lasts else "fail"
        process = world.run(strike=Strike(deed, at, FILES, at if turn is None else turn))
        if not process.page.fired:
            return False
        page = process.page
        tally.errors[page.error] += 1
        _judge(world, tally, end, f"{page.error} at call {at}, {page.struck}, ended {process.code}")
        return True


def shorten(worlds: Worlds, tally: Tally, at: int) -> bool:
    """Of the N-th write to a file only half is written."""
    end = worlds.end()
    with worlds.world() as world:
        process = world.run(strike=Strike("shorten", at, Call.WRITE))
        if not process.page.fired:
            return False
        tally.shortened += 1
        _judge(
            world, tally, end, f"half of write {at}, {process.page.struck}, ended {process.code}"
        )
        return True


def freeze(
    worlds: Worlds, tally: Tally, at: int, *, suspended: bool = False, held: bool = True
) -> bool:
    """Frozen when an answer has arrived, or before something is flushed, for longer than an answer
    is good.

    Meanwhile somebody holds every job. `suspended`: with the whole machine.
    """
    with worlds.world(1) as world:
        process = world.start("run", "--execute", strike=Strike("freeze", at, FREEZING))
        if not process.wait_until_frozen():
            world.ended(process)
            return False
        tally.freezes += 1
        process.page.pass_time(NAP_S, suspended=suspended)
        world.pass_time(NAP_S)
        for job_id in list(world.sandbox.job_ids()) if held else ():
            world.sandbox.edit(job_id, tags=["keep"])
        process.thaw()
        world.ended(process)
        _judge(
            world, tally, None, f"frozen at call {at}, {process.page.struck}, ended {process.code}"
        )
        return True


def _judge(world: World, tally: Tally, end: End | None, what: str) -> None:
    try:
        finish(world, end)
    except (ViolationError, TimeoutError, JanitorError, sqlite3.Error) as wrong:
        found = dict.fromkeys([*world.oracle.wrong, str(wrong)])
        tally.violations.append("\n".join([f"{what}:", *found]))
    finally:
        tally.writes += world.oracle.writes


POINTS: Final[dict[str, Point]] = {
    "kill": kill,
    "fail": fail,
    "fail_on": functools.partial(fail, lasts=True),
    "shorten": shorten,
    "freeze": freeze,
    "suspend": functools.partial(freeze, suspended=True),
}
"""What `make attack` strikes with, by the name in ONLY=kill:501."""
