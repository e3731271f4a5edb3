"""`make attack`: lives through seeds, strikes at points, damages, and says what was done and what
was wrong.

`python -m tests.attack.run --seeds 200 --step 20`. `--only seed:17`, `--only kill:501` and `--only
damaged_archive:3` replay one.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from tests.attack.damage import ATTACKS
from tests.attack.processes import nursery
from tests.attack.schedule import Schedule
from tests.attack.seeds import live_through
from tests.attack.sweeps import POINTS, Tally
from tests.attack.world import Worlds

_TELL_EVERY_S = 30.0
_Step = tuple[str, Callable[[], bool | None]]


def main() -> int:
    """Attack; the exit code: 1 when there was a violation."""
    options = _options()
    began = time.monotonic()
    tally = Tally()
    with (
        tempfile.TemporaryDirectory(prefix="attack-", dir=memory()) as folder,
        nursery(Path(folder) / "forks") as forks,
    ):
        worlds = Worlds(forks, Path(folder) / "worlds")
        told = began
        for name, step in _steps(options, worlds, tally):
            known = len(tally.violations)
            try:
                step()
            except Exception as bug:  # noqa: BLE001 - of the attack itself: shown, and the next one goes on
                tally.violations.append(f"{name}: {bug!r}")
            for wrong in tally.violations[known:]:
                _say(f"VIOLATION {name}, replay: make attack ONLY={name}\n{wrong}\n", sys.stdout)
            if time.monotonic() - told > _TELL_EVERY_S:
                told = time.monotonic()
                _say(
                    f"{told - began:.0f} s, at {name}: {len(tally.violations)} violations",
                    sys.stderr,
                )
    _say(_summary(tally, time.monotonic() - began), sys.stdout)
    return 1 if tally.violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Attack the program, and judge each of its writes."
    )
    parser.add_argument("--seeds", type=int, default=0, help="how many random schedules")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument(
        "--step", type=int, default=0, help="strike at every N-th call of a run; 1: at each"
    )
    parser.add_argument("--begin", type=int, default=1, help="the first call that is struck")
    parser.add_argument("--points", default=",".join(POINTS), help="what to strike with")
    parser.add_argument(
        "--others", type=int, default=0, help="so many damages and pairs of each kind"
    )
    parser.add_argument("--only", help="replay one: seed:17, kill:501, damaged_state:3")
    return parser.parse_args()


def memory() -> str | None:
    """A file system in memory, where there is one: a run writes a lot, and no disk is to fail
    here.
    """
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _steps(options: argparse.Namespace, worlds: Worlds, tally: Tally) -> Iterator[_Step]:
    if options.only:
        name, _, number = options.only.partition(":")
        yield options.only, _one(name, int(number), worlds, tally)
        return
    for seed in range(options.first, options.first + options.seeds):
        yield f"seed:{seed}", _one("seed", seed, worlds, tally)
    for name in ATTACKS:
        for seed in range(options.others):
            yield f"{name}:{seed}", _one(name, seed, worlds, tally)
    for name in options.points.split(",") if options.step else ():
        yield from _sweep(name, options.begin, options.step, worlds, tally)


def _sweep(name: str, at: int, step: int, worlds: Worlds, tally: Tally) -> Iterator[_Step]:
    """One step a point, until none fires any more."""
    ends: list[int] = []
    while not ends:

        def strike(at: int = at) -> None:
            if not POINTS[name](worlds, tally, at):
                ends.append(at)

        yield f"{name}:{at}", strike
        at += step


def _one(name: str, number: int, worlds: Worlds, tally: Tally) -> Callable[[], bool | None]:
    if name == "seed":
        return lambda: live_through(worlds, tally, Schedule.of(number))
    if name in POINTS:
        return lambda: POINTS[name](worlds, tally, number)
    return lambda: ATTACKS[name](worlds, tally, number)


def _summary(tally: Tally, took_s: float) -> str:
    faults = ", ".join(f"{name} {count}" for name, count in sorted(tally.faults.items()))
    errors = ", ".join(f"{name} {count}" for name, count in sorted(tally.errors.items()))
    rows = {
        "seeds": f"{tally.seeds} with {tally.runs} faulted runs",
        "faults": f"{tally.faults.total()}: {faults}",
        "kills": str(tally.kills),
        "errors": f"{tally.errors.total()}: {errors}",
        "short writes": str(tally.shortened),
        "freezes": str(tally.freezes),
        "damages": f"{tally.damages} of states and archives",
        "pairs": f"{tally.pairs} of two janitors at once",
        "writes judged": str(tally.writes),
        "violations": str(len(tally.violations)),
        "time": f"{took_s:.0f} s",
    }
    return "\n".join(f"{name:<14}{value}" for name, value in rows.items())


def _say(text: str, where: TextIO) -> None:
    where.write(f"{text}\n")
    where.flush()


if __name__ == "__main__":
    sys.exit(main())
