"""Jobs of which fields are unknown or strange, for laws that must hold for them too."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.jobs import Action, AssetsStanding, Record
from sauce_janitor.model.policies import Limits, Policy, Rules
from tests.support import worlds
from tests.support.jobs import DAY, NOW


def odd(world: worlds.World) -> tuple[Rules, list[Record]]:
    """A world in which what a simulation has to follow is common: announcements, purges, missing
    receipts, ends of holds.
    """
    made, jobs, rng = world
    grace = rng.choice(["0s", "0s", "2d", "30h", "1mo"])
    limits = rng.choice([Limits(), Limits(max_jobs=2), Limits(max_percent=10.0)])
    holds = made.holds
    if rng.randrange(2):
        holds = (*holds, replace(worlds.hold(rng), id="more", until=NOW + rng.randint(1, 9) * DAY))
    policies = tuple(_with_stop(rng, each) for each in made.policies)
    made = replace(made, grace=parse_duration(grace), limits=limits, holds=holds, policies=policies)
    return made, [_odd_job(rng, job) for job in jobs]


def _with_stop(rng: Random, one: Policy) -> Policy:
    return (
        replace(one, stop=parse_duration(rng.choice(["6h", "3d"])))
        if rng.randrange(4) == 0
        else one
    )


def _odd_job(rng: Random, one: Record) -> Record:
    changes: dict[str, Any] = {}
    if rng.randrange(2):
        changes["archived"] = None
    if rng.randrange(4) == 0:
        changes["accepted_for"] = rng.choice([Action.DELETE_ASSETS, Action.DELETE_JOB])
    if rng.randrange(4) == 0:
        changes["assets"] = rng.choice(list(AssetsStanding))
    if rng.randrange(4) == 0:
        changes["announced"] = {
            rng.choice([Action.DELETE_ASSETS, Action.DELETE_JOB]): NOW - rng.randrange(3 * DAY)
        }
    return replace(one, **changes)
