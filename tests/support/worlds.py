"""Random small worlds: jobs in builds, and rules about them, drawn from the same few values so that
they meet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from hypothesis import strategies as st

from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.jobs import UNKNOWN, Action, BuildCounters, JobState, Record
from sauce_janitor.model.policies import (
    EVERYTHING,
    KEEP_KINDS,
    AllOf,
    AnyOf,
    ArchiveRule,
    Atom,
    Comparison,
    DeleteRule,
    Forbid,
    Glob,
    Hold,
    KeepRule,
    Literally,
    Match,
    Not,
    Policy,
    Regex,
    Rules,
)
from tests.support.jobs import BERLIN, DAY, HOUR, NOW, UTC, record

T = TypeVar("T")
World = tuple[Rules, list[Record], Random]

NAMES, OSES, BROWSERS = ("login", "checkout"), ("Windows 11", "macOS 14"), ("chrome", "firefox")
STATUSES, TAGS = (
    ("passed", "failed", "error", "complete"),
    ("keep", "pii", "keep-until=2026-06-01", "keep-until=soon"),
)
BUILDS = {
    "b1": ("nightly-1", "success"),
    "b2": ("nightly-2", "failed"),
    "b3": ("PR-7", "success"),
    "b4": ("PR-7", "error"),
}
AGES = (
    0,
    HOUR,
    DAY,
    DAY + 1,
    2 * DAY,
    2 * DAY,
    3 * DAY,
    5 * DAY,
    9 * DAY,
    20 * DAY,
    31 * DAY,
    70 * DAY,
    400 * DAY,
)
AFTERS = ("1h", "1d", "2d", "4d", "30d", "1mo", "1y")
PICKS = (("newest",), ("oldest",), ("failed", "newest"), ("passed",), ("failed", "oldest"))
KINDS = (*KEEP_KINDS, "last", CalendarPeriod.DAILY)
"""Every kind; the usual ones twice as often."""

worlds: st.SearchStrategy[World] = st.randoms(use_true_random=False).map(
    lambda rng: (rules(rng), records(rng), rng)
)
"""Rules, the jobs they meet, and the randomness for what is done to them. One stream of choices,
not a strategy for each: these worlds need hundreds, and a strategy made for each would take most of
the time.
"""


def mostly(rng: Random, usual: T, *rare: T, odds: int = 12) -> T:
    """The usual value, but once in `odds` a rare one."""
    return rng.choice(rare) if rng.randrange(odds) == 0 else usual


def records(rng: Random) -> list[Record]:
    """Up to a dozen jobs; those of a build have its fields, and its counters mostly add up."""
    made = [one_record(rng, f"j{n}") for n in range(rng.randint(1, 12))]
    extra = {identity: mostly(rng, 0, 1, odds=8) for identity in BUILDS}
    still_open = {identity: mostly(rng, 0, 1, odds=8) for identity in BUILDS}
    counted = []
    for item in made:
        whole = item
        if isinstance(item.build_id, str):
            listed = sum(other.build_id == item.build_id for other in made)
            counters = BuildCounters(
                listed + 1 + extra[item.build_id], still_open[item.build_id], deleted=1
            )
            whole = replace(item, build_counters=counters)
        counted.append(whole)
    return counted


def one_record(rng: Random, label: str) -> Record:
    """One job; a few are unfinished, ageless, unreadable or held."""
    build = mostly(rng, rng.choice(sorted(BUILDS)), None)
    name, status = BUILDS[build] if build else (None, None)
    fields: dict[str, Any] = {
        "name": mostly(rng, rng.choice(NAMES), None, UNKNOWN),
        "os": mostly(rng, rng.choice(OSES), None, UNKNOWN),
        "browser": rng.choice(BROWSERS),
        "status": mostly(rng, rng.choice(STATUSES), UNKNOWN),
        "tags": mostly(
            rng,
            rng.choice([(), (), ("keep",), ("pii",), ("keep", "pii"), (rng.choice(TAGS),)]),
            UNKNOWN,
        ),
        "custom_data": rng.choice([{}, {"team": "web"}, {"team": 7}, {"team": []}, None, UNKNOWN]),
        "build": name,
        "build_id": build,
        "build_status": status,
        "archived": frozenset({"all"}),
        "held": rng.randrange(20) == 0,
    }
    made = record(label, rng.choice(AGES), **fields)
    odd: dict[int, dict[str, Any]] = {
        0: {"state": JobState.RUNNING, "ended_at": None, "status": None},
        1: {"started_at": UNKNOWN},
        2: {"started_at": NOW + DAY},
        3: {"ended_at": NOW + DAY, "started_at": None},
        4: {"state": JobState.UNKNOWN},
        5: {
            "state": JobState.QUEUED,
            "ended_at": None,
            "started_at": None,
            "modified_at": None,
            "status": None,
        },
    }
    oddity = odd.get(rng.randrange(40))
    return replace(made, job=replace(made.job, **oddity)) if oddity else made


def atom(rng: Random) -> Match:
    """A test of one field, of values that jobs have."""
    globs = {
        "name": (*NAMES, "check*", "*"),
        "os": (*OSES, "Win*"),
        "browser": BROWSERS,
        "status": STATUSES,
        "tags": ("pii", "keep"),
        "custom_data.team": ("web", "7"),
        "state": ("finished", "running"),
    }
    others = [
        Atom("name", (Literally(None),)),
        Atom("os", (Regex("Windows .*"),)),
        Atom("duration", (Comparison((("ge", 30.0), ("lt", 90.0))),)),
    ]
    if rng.randrange(4) == 0:
        return build_atom(rng)
    if rng.randrange(5) == 0:
        return rng.choice(others)
    field = rng.choice(sorted(globs))
    return Atom(field, tuple(Glob(rng.choice(globs[field])) for _ in range(rng.randint(1, 2))))


def build_atom(rng: Random) -> Match:
    """A test of a build's fields."""
    return rng.choice(
        [
            Atom("build", (Glob("nightly-*"),)),
            Atom("build", (Glob("PR-*"),)),
            Atom("build", (Literally(None),)),
            Atom("build_status", (Glob("success"),)),
            Atom("build_status", (Glob("failed"), Glob("error"))),
        ]
    )


def match(rng: Random, leaf: Callable[[Random], Match]) -> Match:
    """A tree over atoms; often everything, so that policies meet on jobs."""
    kind = rng.randrange(8)
    if kind < 3:
        return EVERYTHING
    if kind < 6:
        return leaf(rng)
    if kind == 6:
        return Not(leaf(rng))
    parts = tuple(match(rng, leaf) for _ in range(rng.randint(1, 3)))
    return AllOf(parts) if rng.randrange(2) else AnyOf(parts)


def keep_rule(rng: Random, *, whole: bool = False, label: str = "k") -> KeepRule:
    """Any keep rule."""
    leaf = build_atom if whole else atom
    kind = rng.choice(KINDS)
    return KeepRule(
        label,
        kind,
        count=rng.randint(1, 3),
        duration=(
            parse_duration(rng.choice(["1d", "2d", "1mo"])) if kind.startswith("within") else None
        ),
        since=leaf(rng) if kind == "since_last" else None,
        where=leaf(rng) if rng.randrange(3) == 0 else None,
        pick=rng.choice(PICKS),
        nonempty=rng.randrange(2) == 0,
    )


def policy(
    rng: Random, name: str = "p", *, default: bool = False, overrides: tuple[str, ...] = ()
) -> Policy:
    """Any policy; it always says what it archives."""
    whole = not default and rng.randrange(5) == 0
    groups = ["build"] if whole else ["name", "os", "browser", "custom_data.team"]
    deletes = []
    for action in (Action.DELETE_ASSETS, Action.DELETE_JOB):
        if rng.randrange(4):
            own = [keep_rule(rng, whole=whole, label="own")] if rng.randrange(4) == 0 else []
            after = mostly(rng, rng.choice(AFTERS), None, odds=10)
            deletes.append(
                (action, DeleteRule(parse_duration(after) if after else None, tuple(own)))
            )
    wish = ArchiveRule(
        none=rng.randrange(2) == 0,
        after=parse_duration(rng.choice(["2h", "3d"])),
        only_kept=rng.randrange(2) == 0,
    )
    return Policy(
        name,
        match(rng, build_atom if whole else atom),
        unit="build" if whole else "job",
        group_by=tuple(rng.sample(groups, rng.randint(0, min(2, len(groups))))),
        null_group="keep" if rng.randrange(2) else "shared",
        keep=tuple(
            keep_rule(rng, whole=whole, label=f"k{n}") for n in range(rng.choice([0, 0, 1, 1, 2]))
        ),
        archive=wish,
        deletes=tuple(deletes),
        default=default,
        overrides=overrides if rng.randrange(2) else (),
    )


def hold(rng: Random) -> Hold:
    """Any hold; what it is about are the jobs' own tags, names and owners."""
    return rng.choice(
        [
            Hold("by-tag", tag=rng.choice(TAGS[:2])),
            Hold("by-prefix", tag_prefix="keep-until="),
            Hold("by-prefix", tag_prefix="p"),
            Hold("by-match", match=atom(rng)),
            Hold("until", match=atom(rng), until=NOW + HOUR),
        ]
    )


def rules(rng: Random) -> Rules:
    """Up to four policies, one perhaps the default, later ones perhaps overridden by earlier ones,
    in any order.
    """
    names = [f"p{n}" for n in range(rng.randint(1, 4))]
    made = []
    for n, name in enumerate(names):
        default = n == len(names) - 1 and rng.randrange(2) == 0
        below = tuple(other for other in names[n + 1 :] if rng.randrange(2))
        made.append(policy(rng, name, default=default, overrides=() if default else below))
    rng.shuffle(made)
    return Rules(
        timezone=rng.choice([UTC, BERLIN]),
        policies=tuple(made),
        holds=(hold(rng),) if rng.randrange(3) == 0 else (),
        forbid=(Forbid(atom(rng), ("video",)),) if rng.randrange(6) == 0 else (),
        age_from=mostly(
            rng, ("end_time", "modification_time"), ("start_time",), ("modification_time",), odds=4
        ),
    )


JOB_FIELDS = (
    "name",
    "build",
    "tags",
    "status",
    "os",
    "browser",
    "custom_data",
    "created_at",
    "started_at",
    "ended_at",
    "modified_at",
    "state",
)
RECORD_FIELDS = ("build_id", "build_status", "build_counters")


def unobtainable(item: Record, field: str) -> Record:
    """The same job, with one field that could not be had."""
    if field == "build_counters":
        return replace(item, build_counters=BuildCounters(UNKNOWN, UNKNOWN, deleted=1))
    if field in RECORD_FIELDS:
        lost: dict[str, Any] = {field: UNKNOWN}
        return replace(item, **lost)
    of_job: dict[str, Any] = {field: JobState.UNKNOWN if field == "state" else UNKNOWN}
    return replace(item, job=replace(item.job, **of_job))
