"""Stores a run's plan in the state, for the pages that show it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from sauce_janitor.errors import StateError
from sauce_janitor.model.console.stored_plans import PlanFacts, PlanKind, PlannedAction, PlanTotal
from sauce_janitor.model.jobs import HOLD, Action
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.steps.listing import doubts
from sauce_janitor.operations.wiring.owners import missing
from sauce_janitor.operations.wiring.run_settings import Order, Result
from sauce_janitor.report.dangers import loss_text
from sauce_janitor.retention.plan.costs import requests_for
from sauce_janitor.retention.plan.effects import NO_WEIGHTS, Volume, Weights, loss_of, volume_of
from sauce_janitor.retention.plan.plan import Plan, Template
from sauce_janitor.state import State


def _is_whole(order: Order, state: State) -> bool:
    """Return whether the plan of a run is the account's newest one, which pages show.

    A plan for another time, of what is known offline, of some policies, or of what somebody
    reviewed is a part of a plan or none: the last whole plan says more.
    """
    is_whole = order.as_of is None and not order.policies and order.reviewed is None
    return is_whole and not order.offline and not state.is_read_only


def keep(result: Result, order: Order, state: State, telemetry: Telemetry, *, mode: str) -> None:
    """Store a whole plan in place of the account's former one. Where that fails, log a warning:
    pages then show the former plan, and the run goes on.
    """
    if not _is_whole(order, state):
        return
    plan = result.plan
    kinds, number_of = _kinds(plan.rows.template_list)
    counts: Counter[int] = Counter()
    weights = NO_WEIGHTS if result.footprint is None else result.footprint.effects.weights
    for number, jobs in plan.rows.template_counts().items():
        counts[number_of[number]] += jobs
    facts = PlanFacts(
        account=result.account.name,
        run_id=telemetry.run_id,
        mode=mode,
        as_of=plan.as_of,
        policy_digest=result.head.policy_digest,
        jobs_known=plan.inventory,
        requests=result.head.requests_needed,
        done_in_s=result.outlook.get("done_in_s"),
        limits_broken=tuple(limit.text for limit in plan.broken),
        gaps=(
            *missing(result.scope, result.left_out),
            *doubts(result.listings, result.withheld),
        ),
        totals=tuple(_totals(plan, weights)),
        kinds=tuple(kinds),
        counts=tuple(counts[number] for number in range(len(kinds))),
        owners=plan.rows.owners,
    )

    def jobs_of_plan() -> Iterator[tuple[bytes, int, int, int, int]]:
        for job_id, template, owner, first, last in plan.rows.columns():
            yield job_id, number_of[template], owner, first, last

    try:
        state.plans.store(facts, jobs_of_plan, at=result.head.created_at)
    # The pages are not worth a run: what it must record of each change fails for itself.
    except StateError as error:
        telemetry.plan_not_stored(str(error))


def _kinds(templates: Sequence[Template]) -> tuple[list[PlanKind], Mapping[int, int]]:
    """Return the kinds of a plan, and the kind of each template: many differ only in what no page
    shows.
    """
    numbers: dict[PlanKind, int] = {}
    number_of = {
        number: numbers.setdefault(_kind(template), len(numbers))
        for number, template in enumerate(templates)
    }
    return list(numbers), number_of


def _kind(template: Template) -> PlanKind:
    loss = loss_of(template)
    return PlanKind(
        tuple(
            PlannedAction(action, policy or HOLD, tuple(reason.text for reason in reasons))
            for action, reasons, policy in template.actions
        ),
        None if loss is None else loss_text(loss),
        template.held,
    )


def _totals(plan: Plan, weights: Weights) -> Iterator[PlanTotal]:
    """Yield what each policy does, by policy and action; holds come last."""
    jobs: Counter[tuple[str | None, Action]] = Counter()
    unstored: Counter[tuple[str | None, Action]] = Counter()
    requests: dict[tuple[str | None, Action], float] = {}
    volumes: dict[tuple[str | None, Action], Volume] = {}
    for template, count in plan.rows.templates():
        has_loss = loss_of(template) is not None
        for action, _, policy in template.actions:
            key = policy, action
            jobs[key] += count
            # The archive saves what it can: the loss is that of the delete after it.
            if has_loss and action is not Action.ARCHIVE:
                unstored[key] += count
            requests[key] = requests.get(key, 0.0) + count * requests_for(template, action)
            if (volume := volume_of(template, action, count, weights)) is not None:
                volumes[key] = volumes.get(key, Volume()).plus(volume)
    order = list(Action)
    for key in sorted(jobs, key=lambda key: (key[0] is None, key[0] or "", order.index(key[1]))):
        policy, action = key
        volume = volumes.get(key)
        yield PlanTotal(
            policy or HOLD,
            action,
            jobs[key],
            unstored[key],
            requests[key],
            None if volume is None else volume.size_bytes,
            () if volume is None else tuple(sorted(volume.unknown)),
        )
