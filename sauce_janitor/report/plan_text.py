"""A plan as text and as markdown: each job once, actions by policy, why jobs stay, examples, costs
and broken limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console

from sauce_janitor.counts import counted
from sauce_janitor.model.jobs import HOLD, Action, Decision, Job, Why
from sauce_janitor.report.dangers import (
    effects_rows,
    loss_lines,
    show_dangers,
    show_effects,
    weight_lines,
)
from sauce_janitor.report.rich_console import say
from sauce_janitor.report.tables import Column, show_table
from sauce_janitor.report.text import ACTIONS, due
from sauce_janitor.retention.interactions import by_weight
from sauce_janitor.retention.plan.deadlines import late_lines
from sauce_janitor.retention.plan.effects import DiskSpace, PlanEffects, effects_of
from sauce_janitor.retention.plan.planner import Plan
from sauce_janitor.terminal import printable
from sauce_janitor.times import when

_MOST_REASONS = 12
_MOST_POSTPONED = 8


@dataclass(frozen=True, slots=True)
class About:
    """What is shown with a plan.

    `identity` is the account, `listing` how its jobs were listed. `budget` has what the plan and
    new jobs need of the request budget: lines, each with whether it is a warning. `examples` are
    one or two for each action. `ways_out` are the commands that would lift the broken limits.
    `owners` says which users' jobs the plan covers, empty for one user; `missing` has the users
    who may be missing or were left out. `effects` includes bytes, and `room` is the space on the
    archive's disk; both are None if unknown.
    """

    identity: str
    listing: str
    budget: Sequence[tuple[str, bool]] = ()
    examples: Sequence[tuple[Job | None, Decision]] = ()
    ways_out: Sequence[str] = ()
    owners: str = ""
    missing: Sequence[str] = ()
    effects: PlanEffects | None = None
    room: DiskSpace | None = None


def show_plan(out: Console, plan: Plan, about: About, *, is_reviewed: bool = False) -> None:
    """Print a plan without its last line: dangers first, then each job once, then by policy.

    For a plan that was reviewed, the reasons why jobs stay and the examples are left out: the
    reviewer has read them, and the result of the run comes next.
    """
    # Without sizes from receipts and deletes, the effects still have counts.
    effects = about.effects or effects_of(plan)
    out.print(f"{about.identity}, as of {when(plan.as_of)}", style="bold")
    show_dangers(out, effects, plan.broken)
    undecided = sum(plan.undecided.values())
    out.print(
        f"{counted(plan.inventory, 'job')} known, {about.listing}; {plan.held:,} held,"
        f" {undecided:,} undecided"
    )
    _show_owners(out, about)
    out.print()
    show_effects(out, effects)
    for line, is_warning in (*weight_lines(effects, about.room), *about.budget):
        say(out, line, style="yellow" if is_warning else "")
    _show_decisions(out, plan, about, is_reviewed=is_reviewed)
    _show_notes(out, plan, about)


def _show_decisions(out: Console, plan: Plan, about: About, *, is_reviewed: bool) -> None:
    if plan.counts:
        out.print("\nBy policy", style="bold")
        _show_by_policy(out, plan)
    if plan.kept and not is_reviewed:
        _show_why_kept(out, plan)
    # Jobs that need somebody's attention are shown also after a review.
    for line in (*_undecided_lines(plan), *_incomplete_lines(plan)):
        say(out, line)
    if plan.postponed and not is_reviewed:
        out.print(
            "\nTimes that another policy makes longer (`overrides:` lets the shorter one count)",
            style="bold",
        )
        for line in _postponed_lines(plan):
            say(out, line)
    if about.examples and not is_reviewed:
        out.print("\nFor example", style="bold")
        _show_examples(out, about.examples)


def _show_notes(out: Console, plan: Plan, about: About) -> None:
    notes = (
        *_expiring_lines(plan),
        *late_lines(plan.late),
        *(f"Warning: {lint}" for lint in plan.lints),
        *_lifted_limit_lines(plan),
    )
    if notes or plan.waiting or about.ways_out:
        out.print()
    for line in _announced_lines(plan):
        say(out, line)
    for line in notes:
        say(out, line, style="yellow")
    for line in about.ways_out:
        # People copy these commands: a line break of ours would cut them in two.
        out.print(printable(line), soft_wrap=True)


def _postponed_lines(plan: Plan) -> Iterator[str]:
    found = by_weight(plan.postponed)
    yield from (postponement.text(jobs) for postponement, jobs in found[:_MOST_POSTPONED])
    if len(found) > _MOST_POSTPONED:
        yield f"and {len(found) - _MOST_POSTPONED:,} more (--format json has all)"


def _expiring_lines(plan: Plan) -> Iterator[str]:
    if plan.expiring_72h_jobs:
        yield (
            "Sauce Labs will purge assets that should be archived first: of"
            f" {counted(plan.expiring_24h_jobs, 'job')} within 24 h, of"
            f" {counted(plan.expiring_72h_jobs, 'job')} within 72 h"
        )


def _announced_lines(plan: Plan) -> Iterator[str]:
    for action, waiting in sorted(plan.waiting.items()):
        when_they_go = when(waiting.first_at)
        if waiting.last_at != waiting.first_at:
            when_they_go += f", the last of them {when(waiting.last_at)}"
        # Only an executing run can announce them, so their grace has not begun yet.
        fresh = ""
        if waiting.fresh:
            fresh = f"; {waiting.fresh:,} of them only from the next executing run on"
        yield f"Announced: {due(action, waiting.jobs)}, from {when_they_go}{fresh}"


def _lifted_limit_lines(plan: Plan) -> Iterator[str]:
    for lifted in plan.lifted:
        by = ", ".join(f"{approval.by} ({approval.reason})" for approval in plan.approvals)
        # Only the first sentence of the limit: the rest is about a plan that is refused.
        yield f"Limit lifted by {by}: {lifted.text.partition('. ')[0]}"


def _show_owners(out: Console, about: About) -> None:
    if about.owners:
        say(out, about.owners)
    # A plan may look complete although jobs of some users are not in it.
    for line in about.missing:
        say(out, line, style="yellow")


def _show_by_policy(out: Console, plan: Plan) -> None:
    columns = [
        Column("Policy"),
        *(Column(words.capitalize(), "number") for words in ACTIONS.values()),
    ]
    # What a hold archives has no policy: it comes last.
    policies = sorted(
        {policy for policy, _ in plan.counts}, key=lambda name: (name is None, name or "")
    )
    rows = (
        # None is shown as -, so that the numbers stand out.
        (policy or HOLD, *(plan.counts.get((policy, action), 0) or None for action in ACTIONS))
        for policy in policies
    )
    show_table(out, columns, rows)


def _undecided_lines(plan: Plan) -> Iterator[str]:
    for (policy, name), jobs in sorted(plan.undecided.items()):
        yield (
            f"Undecided by {policy}: {counted(jobs, 'job')}, because {name} is unknown. Match on"
            f" another field, or add `{name}: null`"
        )


def _show_examples(out: Console, examples: Sequence[tuple[Job | None, Decision]]) -> None:
    columns = [
        Column("Action", "word"), Column("Job", "id"), Column("Build", rank=2), Column("Name"),
        Column("Ended", "time", 1), Column("By", "prose"), Column("Due since", "time"),
    ]  # fmt: skip
    rows = []
    for job, decision in examples:
        if job is not None:
            # Every example is due: the names of its policies are enough.
            whys = (
                reason.policy if reason.why is Why.DUE else reason.text
                for reason in decision.reasons
            )
            by = "; ".join(why for why in whys if why)
            ids = ACTIONS[decision.action], job.id, job.build, job.name
            rows.append((*ids, job.ended_at, by, decision.due_since))
    show_table(out, columns, rows)


def _show_why_kept(out: Console, plan: Plan) -> None:
    most = sorted(plan.kept.items(), key=lambda item: (-item[1], item[0][0], item[0][1].text))
    # These follow from the reasons of another action, which the table has.
    implied = (Why.ASSETS_PROTECTED, Why.NOTHING_WANTED)
    shown = [
        item for item in most if item[0][0] is not Action.STOP and item[0][1].why not in implied
    ]
    rows = [
        (jobs, f"no {ACTIONS[action]}", reason.text)
        for (action, reason), jobs in shown[:_MOST_REASONS]
    ]
    # All that stays follows from another action, as when every job is deleted.
    if not rows:
        return
    out.print("\nWhy jobs stay", style="bold")
    show_table(
        out, (Column("Jobs", "number"), Column("Action", "word"), Column("Because", "prose")), rows
    )


def _incomplete_lines(plan: Plan) -> Iterator[str]:
    """Yield how many jobs lack files, and what happens with their deletes."""
    if not plan.incomplete:
        return
    # With `if_unavailable` a policy may give up files; else the job's deletes wait for them.
    waiting = plan.incomplete - plan.giving_up
    deletes = []
    if waiting:
        deletes.append(f"deletes of {waiting:,} wait for them")
    if plan.giving_up:
        deletes.append(f"{plan.giving_up:,} go on without them (if_unavailable)")
    yield (
        f"Files of {counted(plan.incomplete, 'job')} could not be fetched: {', '.join(deletes)};"
        " `explain` names them"
    )


def markdown(plan: Plan, about: About) -> Iterator[str]:
    """Yield a plan as markdown, for a pull request."""
    effects = about.effects or effects_of(plan)
    known = f"{counted(plan.inventory, 'job')} known, {plan.held:,} held"
    yield f"**{about.identity}**, as of {when(plan.as_of)}: {known}\n\n"
    for broken in plan.broken:
        yield f"> **limit broken** {printable(broken.text)}\n\n"
    # The first line is the total, the others are its parts.
    for number, line in enumerate(loss_lines(effects)):
        yield f"- {printable(line)}\n" if number else f"**{printable(line)}**\n\n"
    yield "\n| effect | jobs | archived first | frees about |\n|---|---:|---:|---:|\n"
    for words, jobs, archived, freed in effects_rows(effects):
        yield f"| {words} | {jobs:,} | {archived or 0:,} | {freed or '-'} |\n"
    yield "\n"
    for line, _ in (*weight_lines(effects, about.room), *about.budget):
        yield f"- {printable(line)}\n"
    yield "\n"
    yield "| policy | " + " | ".join(ACTIONS.values()) + " |\n|---|" + "---:|" * len(ACTIONS) + "\n"
    for policy in sorted(
        {policy for policy, _ in plan.counts}, key=lambda name: (name is None, name or "")
    ):
        cells = (f"{plan.counts.get((policy, action), 0):,}" for action in ACTIONS)
        yield f"| {policy or HOLD} | " + " | ".join(cells) + " |\n"
    for line in _postponed_lines(plan):
        yield f"\n- {printable(line)}\n"
    missing = (printable(line) for line in about.missing)
    for line in (
        *missing,
        *late_lines(plan.late),
        *(f"warning: {printable(lint)}" for lint in plan.lints),
    ):
        yield f"\n> {line}\n"
    if about.ways_out:
        yield "\n```\n" + "\n".join(about.ways_out) + "\n```\n"
    yield "\n"
