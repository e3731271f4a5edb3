"""A plan as people read it: by policy, with examples, why jobs stay, what it costs, which limits it breaks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console

from sauce_janitor.report.tables import Column, show_table
from sauce_janitor.report.words import ACTIONS, say
from sauce_janitor.retention.assets import Selection
from sauce_janitor.retention.deadlines import late_lines
from sauce_janitor.retention.model import DELETES, Action, Decision, Job, Why
from sauce_janitor.retention.planning import Plan
from sauce_janitor.terminal import printable
from sauce_janitor.times import when

_MOST_REASONS = 12


@dataclass(frozen=True, slots=True)
class About:
    """What is told around a plan: whose it is, how it was listed, what it and new jobs take of the budget (each a line, and
    whether it is a warning), one or two examples an action, and what would lift the limits that it breaks. `owners` are whose
    jobs, in words where it is more than one; `missing` who may be missing or is left out.
    """

    identity: str
    listing: str
    budget: Sequence[tuple[str, bool]] = ()
    examples: Sequence[tuple[Job | None, Decision]] = ()
    ways_out: Sequence[str] = ()
    owners: str = ""
    missing: Sequence[str] = ()


def show_plan(out: Console, plan: Plan, about: About) -> None:
    """A plan as tables: by policy and action, examples with reasons, why the others stay, cost, limits. No last line."""
    out.print(f"{about.identity}, as of {when(plan.as_of)}", style="bold")
    undecided = sum(plan.undecided.values())
    out.print(f"{plan.inventory:,} jobs known{about.listing}; {plan.held:,} held, {undecided:,} undecided")
    _say_whose(out, about)
    if plan.counts:
        out.print()
        _show_by_policy(out, plan)
    if about.examples:
        out.print("\nFor example", style="bold")
        _show_examples(out, about.examples)
    if plan.kept:
        out.print("\nWhy jobs stay", style="bold")
        _show_kept(out, plan)
    for line in (*_undecided(plan), *_stored(plan), *_incomplete(plan)):
        out.print(printable(line))
    out.print()
    if plan.expiring_72h_jobs:
        out.print(
            f"Wanted, not archived, soon purged by Sauce Labs: the assets of {plan.expiring_24h_jobs:,} jobs within 24 h, "
            f"of {plan.expiring_72h_jobs:,} within 72 h",
            style="yellow",
        )
    for action, waiting in sorted(plan.waiting.items()):
        when_they_go = when(waiting.first_at)
        if waiting.last_at != waiting.first_at:
            when_they_go += f", the last of them {when(waiting.last_at)}"
        fresh = f"; {waiting.fresh:,} of them only from the next executing run on" if waiting.fresh else ""
        out.print(f"Announced: {waiting.jobs:,} {ACTIONS[action]}, due from {when_they_go}{fresh}")
    _warn(out, (*late_lines(plan.late), *(f"Warning: {lint}" for lint in plan.lints)))
    for line, is_warning in about.budget:
        out.print(printable(line), style="yellow" if is_warning else "")
    for lifted in plan.lifted:
        by = ", ".join(printable(f"{approval.by} ({approval.reason})") for approval in plan.approvals)
        out.print(f"Limit lifted by {by}: {printable(lifted.text.partition('. ')[0])}", style="yellow")
    for broken in plan.broken:
        out.print(f"Limit broken: {printable(broken.text)}", style="red")
    for line in about.ways_out:  # to be copied: no line end of ours in it
        out.print(printable(line), soft_wrap=True)


def _say_whose(out: Console, about: About) -> None:
    if about.owners:
        say(out, about.owners)
    for line in about.missing:
        say(out, line, style="yellow")


def _warn(out: Console, lines: Iterable[str]) -> None:
    for line in lines:
        out.print(printable(line), style="yellow")


def _show_by_policy(out: Console, plan: Plan) -> None:
    columns = [Column("Policy"), *(Column(words.capitalize(), "number") for words in ACTIONS.values())]
    policies = sorted({policy for policy, _ in plan.counts}, key=lambda name: (name is None, name or ""))
    rows = (
        (policy or "(holds)", *(plan.counts.get((policy, action), 0) or None for action in ACTIONS))
        for policy in policies
    )
    show_table(out, columns, rows)


def _undecided(plan: Plan) -> Iterator[str]:
    for (policy, name), jobs in sorted(plan.undecided.items()):
        yield f"{jobs:,} jobs are undecided by {policy}: {name} cannot be told. Match on another field, or add `{name}: null`"


def _stored(plan: Plan) -> Iterator[str]:
    """What is stored of the jobs whose assets go, and what is destroyed unstored; the most jobs first."""
    fates: Counter[str] = Counter()
    for template, jobs in plan.rows.templates():
        if any(action in DELETES for action, _, _ in template.actions):
            fates[_fate(template.selection)] += jobs
    for fate, jobs in sorted(fates.items(), key=lambda item: (-item[1], item[0])):
        yield f"Assets of {jobs:,} jobs: {fate}"


def _fate(selection: Selection | None) -> str:
    if selection is None:
        return "nothing is stored, all are destroyed"
    wanted, forbidden = (", ".join(sorted(words)) for words in (selection.assets, selection.forbid))
    unstored = "" if "all" in selection.assets else "the rest is destroyed unstored"
    if forbidden:
        unstored = f"{forbidden}{' and the rest' if unstored else ''} destroyed unstored"
    return f"stored: {wanted}" + (f"; {unstored}" if unstored else "")


def _show_examples(out: Console, examples: Sequence[tuple[Job | None, Decision]]) -> None:
    columns = [
        Column("Action", "word"), Column("Job", "id"), Column("Build", rank=2), Column("Name"), Column("Ended", "time", 1),
        Column("Why", "prose"),
    ]  # fmt: skip
    rows = []
    for job, decision in examples:
        if job is not None:
            since = f", since {when(decision.due_since)}" if decision.due_since else ""
            why = "; ".join(reason.text for reason in decision.reasons) + since
            rows.append((ACTIONS[decision.action], job.id, job.build, job.name, job.ended_at, why))
    show_table(out, columns, rows)


def _show_kept(out: Console, plan: Plan) -> None:
    most = sorted(plan.kept.items(), key=lambda item: (-item[1], item[0][0], item[0][1].text))
    told_elsewhere = (Why.ASSETS_PROTECTED, Why.NOTHING_WANTED)
    shown = [item for item in most if item[0][0] is not Action.STOP and item[0][1].why not in told_elsewhere]
    rows = ((jobs, f"no {ACTIONS[action]}", reason.text) for (action, reason), jobs in shown[:_MOST_REASONS])
    show_table(out, (Column("Jobs", "number"), Column("Action", "word"), Column("Because", "prose")), rows)


def _incomplete(plan: Plan) -> Iterator[str]:
    """How many jobs lack files that could not be had, and what becomes of their deletes."""
    if not plan.incomplete:
        return
    waiting = plan.incomplete - plan.giving_up
    said = []
    if waiting:
        said.append(f"deletes of {waiting:,} wait for them")
    if plan.giving_up:
        said.append(f"{plan.giving_up:,} go on without them (if_unavailable)")
    yield f"Files could not be had of {plan.incomplete:,} jobs: {', '.join(said)}; explain names them"


def markdown(plan: Plan, about: About) -> Iterator[str]:
    """A plan for a pull request."""
    yield f"**{about.identity}**, as of {when(plan.as_of)}: {plan.inventory:,} jobs known, {plan.held:,} held\n\n"
    yield "| policy | " + " | ".join(ACTIONS.values()) + " |\n|---|" + "---:|" * len(ACTIONS) + "\n"
    for policy in sorted({policy for policy, _ in plan.counts}, key=lambda name: (name is None, name or "")):
        cells = (f"{plan.counts.get((policy, action), 0):,}" for action in ACTIONS)
        yield f"| {policy or '(holds)'} | " + " | ".join(cells) + " |\n"
    missing = (printable(line) for line in about.missing)
    for line in (*missing, *late_lines(plan.late), *(f"warning: {printable(lint)}" for lint in plan.lints)):
        yield f"\n> {line}\n"
    for broken in plan.broken:
        yield f"\n> **limit broken** {broken.text}\n"
    if about.ways_out:
        yield "\n```\n" + "\n".join(about.ways_out) + "\n```\n"
    yield "\n"
