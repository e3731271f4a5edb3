"""What a stored plan says as a whole, as JSON and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from sauce_janitor.model.console.stored_plans import (
    PlanDifference,
    PlanFacts,
    PlanKind,
    PlannedAction,
    PlanTotal,
)
from sauce_janitor.model.jobs import Action, JobId, Owner
from sauce_janitor.state.plans.plan_parts import FORMAT
from sauce_janitor.state.rows import plain


def written(facts: PlanFacts, difference: PlanDifference | None) -> str:
    """Return the JSON of a plan's head."""
    values = {
        "format": FORMAT,
        "facts": asdict(facts),
        "difference": None if difference is None else asdict(difference),
    }
    return plain(json.dumps(values, ensure_ascii=True))


def read(account: str, text: str) -> tuple[PlanFacts, PlanDifference | None] | None:
    """Return what `written` wrote, with the account's name of today; None for a plan that another
    version packed in another way.
    """
    values = json.loads(text)
    if values.get("format") != FORMAT:
        return None
    found: dict[str, Any] = values["facts"]
    owners = tuple(Owner(each) for each in found["owners"])
    texts = {name: tuple(found[name]) for name in ("limits_broken", "gaps", "counts")}
    lists = {
        "totals": tuple(map(_total, found["totals"])),
        "kinds": tuple(map(_kind, found["kinds"])),
    }
    facts = PlanFacts(**found | texts | lists | {"owners": owners, "account": account})
    return facts, None if values["difference"] is None else _difference(values["difference"])


def _total(row: dict[str, Any]) -> PlanTotal:
    return PlanTotal(**row | {"action": Action(row["action"]), "unknown": tuple(row["unknown"])})


def _kind(row: dict[str, Any]) -> PlanKind:
    actions = (
        PlannedAction(Action(each["action"]), each["policy"], tuple(each["reasons"]))
        for each in row["actions"]
    )
    return PlanKind(tuple(actions), row["loss"], row["held"])


def _difference(row: dict[str, Any]) -> PlanDifference:
    positions = {name: tuple(row[name]) for name in ("first_added", "first_changed")}
    left = tuple(JobId(each) for each in row["first_left"])
    return PlanDifference(**row | positions | {"first_left": left})
