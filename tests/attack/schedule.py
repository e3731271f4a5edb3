"""What a seed stands for: faults of the vendor, what strikes the program in each run, and what
people do meanwhile.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from sauce_janitor.sandbox.faults.decorators import SETTINGS
from tests.attack.strikes import CHANGING, FILES, NETWORK, Call, Strike
from tests.attack.world import JOBS, SHAPES

Fault = Mapping[str, Any]
STAGGERED: Final = 3
SLOW: Final = frozenset({"drip", "stall", "endless", "gzip_bomb", "delay"})
"""Faults that take seconds: one seed in twenty has one."""
FAST: Final[Mapping[str, Fault]] = {
    "delay": {"seconds": 0.2, "times": 3},
    "stall": {"seconds": 2, "times": 1},
    "drip": {"bytes_per_second": 50, "times": 1},
    "endless": {"megabytes": 40, "times": 1},
    "gzip_bomb": {"megabytes": 80, "times": 1},
    "big_header": {"kilobytes": 200},
    "status": {"status": 404},
    # An asset list that is empty, or shorter, twice over is what a job with fewer files looks like.
    **{
        name: {"endpoint": "jobs.*"} for name in ("short_page", "empty_list", "nulls", "not_a_list")
    },
    # In an asset list they would name a file.
    **{
        name: {"endpoint": "job*"}
        for name in ("foreign_owner", "wrong_id", "empty_id", "heavy_rows")
    },
}
LIES: Final[tuple[Fault, ...]] = (
    {"fault": "lie", "endpoint": "jobs.list", "set": {"owner": "mallory"}, "row": 3},
    {"fault": "lie", "endpoint": "jobs.list", "set": {"tags": []}},
    {"fault": "lie", "endpoint": "jobs.list", "set": {"build": "PR-1"}},
    {"fault": "lie", "endpoint": "jobs.list", "set": {"end_time": 1_500_000_000}},
    {
        "fault": "lie",
        "endpoint": "jobs.list",
        "set": {"status": "passed", "end_time": 1_600_000_000},
    },
    {"fault": "lie", "endpoint": "job.get", "set": {"tags": [], "status": "complete"}},
    {"fault": "lie", "endpoint": "jobs.lookup", "set": {"tags": []}},
    {"fault": "lie", "endpoint": "jobs.lookup", "drop": ["end_time"]},
    {"fault": "status", "endpoint": "job.get", "status": 404},
    {"fault": "status", "endpoint": "assets.list", "status": 404},
    {"fault": "status", "endpoint": "jobs.lookup", "status": 404},
    {"fault": "status", "endpoint": "*.delete", "status": 204},
    {"fault": "status", "endpoint": "*.delete", "status": 401, "times": 1},
    {"fault": "status", "endpoint": "*.delete", "status": 403},
    {"fault": "status", "endpoint": "*.delete", "status": 429, "retry_after": 99999999, "times": 1},
    {"fault": "done_but_status", "endpoint": "*.delete", "status": 500},
    {"fault": "done_but_status", "endpoint": "*.delete", "status": 404},
    {"fault": "done_but_status", "endpoint": "*.delete", "status": 400},
    {"fault": "done_but_disconnected", "method": "DELETE"},
    {"fault": "without_effect", "method": "DELETE"},
    {"fault": "without_effect", "endpoint": "job.stop"},
    {"fault": "redirect", "method": "DELETE", "status": 307, "to": "/rest/v1/demo/jobs"},
    {"fault": "late_asset", "endpoint": "asset.get"},
    {"fault": "late_edit", "endpoint": "assets.list"},
    {"fault": "clock_skew", "seconds": 4000},
)
ALTERING: Final = frozenset({"late_asset", "late_edit"})
"""Faults after which another truth holds: the end is another one, too."""
_WELL_FORMED: Final = frozenset(
    [
        "bad_row",
        "cut_at_source",
        "deep_json",
        "duplicate_rows",
        "empty_id",
        "empty_list",
        "flipped_byte",
        "foreign_owner",
        "ghost_file",
        "heavy_rows",
        "hostile_assets",
        "lie",
        "milliseconds",
        "nan",
        "not_a_list",
        "nulls",
        "other_kind",
        "other_pictures",
        "short_page",
        "times_as_text",
        "trailing_garbage",
        "wrong_id",
    ]
)
"""Faults that change what is said, not its framing: the vendor gives no hash, so a well-formed
asset is believed.
"""
_PHANTOMS: Final = frozenset({"hostile_assets", "ghost_file"})
_ONCE: Final[Mapping[str, Fault]] = {
    "lie": {"endpoint": "jobs.list", "set": {"build": "PR-1"}, "after": 0},
    "late_edit": {"endpoint": "assets.list", "after": 2},
    "without_effect": {"method": "DELETE", "after": 1},
    "redirect_to_another_job": {"endpoint": "asset.get", "after": 3},
    **{name: {"after": 0} for name in ("short_page", "empty_list", "nulls", "not_a_list")},
}
"""Where a fault strikes that would mean little anywhere."""
_DEEDS: Final = ("nothing", "kill", "kill", "fail", "fail_on", "shorten")


@dataclass(frozen=True)
class Pass:
    """One faulted run: what strikes it, and at which request somebody holds a job or pauses
    everything.
    """

    strike: Strike | None = None
    limit: int | None = None
    held_at: int | None = None
    held_here_at: int | None = None
    paused_at: int | None = None
    job: int = 0


@dataclass(frozen=True)
class Schedule:
    """All that happens to one account. `held`: which jobs a local hold protects from the
    beginning.
    """

    seed: int
    shape: int
    workers: int
    attempts: int
    faults: tuple[Fault, ...]
    passes: tuple[Pass, ...]
    held: tuple[int, ...] = ()
    looks_first: bool = False
    loose: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, seed: int) -> Schedule:
        """The schedule of a seed: always the same."""
        chance = random.Random(seed)
        faults = _faults(chance)
        held = tuple(sorted(chance.sample(range(JOBS), 4))) if chance.random() < 0.2 else ()
        return cls(
            seed,
            chance.randrange(SHAPES),
            chance.choice((1, 1, 3)),
            chance.choice((1, 1, 1, 2)),
            faults,
            tuple(_pass(chance) for _ in range(chance.choice((1, 1, 2, 3)))),
            held,
            chance.random() < 0.3,
            frozenset(each for fault in faults for each in _loose(fault)),
        )

    @classmethod
    def staggered(cls, number: int) -> Schedule:
        """One of STAGGERED schedules in which every fault strikes once, one after the other, in
        several runs.
        """
        names = sorted(SETTINGS)[number::STAGGERED]
        faults: list[Fault] = [
            {
                "fault": name,
                "after": place + 1,
                **FAST.get(name, {}),
                **_ONCE.get(name, {}),
                "times": 1,
            }
            for place, name in enumerate(names)
        ]
        loose = frozenset(each for fault in faults for each in _loose(fault))
        return cls(-1 - number, 1, 1, 1, tuple(faults), (Pass(),) * 10, loose=loose)

    @property
    def names_phantoms(self) -> bool:
        """Whether files are listed that are not there: the deletes of such jobs wait for them, by
        the policy for days.
        """
        return any(each["fault"] in _PHANTOMS for each in self.faults)

    @property
    def alters(self) -> bool:
        """Whether the truth changes on the way, so that the end is another one."""
        by_people = any(each.held_at or each.held_here_at for each in self.passes)
        return (
            by_people
            or self.names_phantoms
            or bool(self.held or self.loose - {"documents"})
            or any(each["fault"] in ALTERING or _may_be_believed(each) for each in self.faults)
        )


def _faults(chance: random.Random) -> tuple[Fault, ...]:
    quick = sorted(SETTINGS.keys() - SLOW - {"lie"})
    names = chance.sample(quick, chance.choice((0, 1, 2, 4)))
    if chance.random() < 0.05:
        names.append(chance.choice(sorted(SLOW)))
    rate = chance.choice((0.03, 0.1, 0.3))
    found: list[Fault] = [{"fault": name, "chance": rate, **FAST.get(name, {})} for name in names]
    if chance.random() < 0.4:
        found.append({**chance.choice(LIES), "chance": chance.choice((0.1, 0.3, 1.0))})
    return tuple(found)


def _pass(chance: random.Random) -> Pass:
    deed = chance.choice(_DEEDS)
    kinds = CHANGING | NETWORK if deed == "kill" else Call.WRITE if deed == "shorten" else FILES
    strike = (
        None
        if deed == "nothing"
        else Strike(deed, chance.randint(1, 900), kinds, chance.randrange(60))
    )
    event, at = (
        chance.choice(("", "", "", "held_at", "held_here_at", "paused_at")),
        chance.randint(3, 60),
    )
    limit = 2 if chance.random() < 0.15 else None
    return Pass(strike, limit, job=chance.randrange(JOBS), **({event: at} if event else {}))


def _may_be_believed(fault: Fault) -> bool:
    """Whether deletes of assets may be answered as done, file by file, while nothing is done.

    One of twenty such answers is looked at, and all from the first that proves untrue
    (docs/explanation/safety.md): assets of the others stay at the vendor.
    """
    now_and_then = fault["fault"] == "without_effect" and fault.get("chance", 1.0) < 1.0
    return now_and_then and fault.get("endpoint") != "job.stop"


def _loose(fault: Fault) -> set[str]:
    """What the fault makes differ in a way that nobody could notice."""
    endpoint = str(fault.get("endpoint", "*"))
    found = set()
    if fault["fault"] in _WELL_FORMED and endpoint in {"*", "asset.get"}:
        found.add("bytes")
    if fault["fault"] in _WELL_FORMED and endpoint in {
        "*",
        "job*",
        "jobs.*",
        "jobs.lookup",
        "job.get",
    }:
        found.add("documents")
    if fault["fault"] == "short_unframed":
        found.add("ends")
    return found
