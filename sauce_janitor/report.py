"""What people read: a plan, an end of a run, an explanation. Text from Sauce Labs is printed without its control characters."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any, Protocol

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sauce_janitor.retention.assets import Selection
from sauce_janitor.retention.deadlines import late_lines
from sauce_janitor.retention.model import DELETES, Action, Decision, Job, Verdict, Why
from sauce_janitor.retention.planning import Plan

_PLAIN_WIDTH = 180
_MOST_REASONS = 12
_NARROW = 120
ACTIONS = {
    Action.ARCHIVE: "archive",
    Action.DELETE_ASSETS: "delete assets",
    Action.DELETE_JOB: "delete job",
    Action.STOP: "stop",
}
"""Each action in words."""


def console(*, color: bool | None, error: bool = False) -> Console:
    """Where to print: wide and plain without a terminal, no colour with NO_COLOR or `color` False."""
    stream = sys.stderr if error else sys.stdout
    plain = color is False or bool(os.environ.get("NO_COLOR"))
    width = None if stream.isatty() else _PLAIN_WIDTH
    return Console(file=stream, no_color=plain, width=width, highlight=False, soft_wrap=True, emoji=False, markup=False)


def when(epoch_s: int | None) -> str:
    """Epoch seconds as people read it, in UTC."""
    return "-" if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%d %H:%M UTC")


def iso(epoch_s: int | None) -> str | None:
    """Epoch seconds as machines read it: ISO 8601 in UTC."""
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def clean(value: object) -> str:
    """One line of printable text."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in str(value))


def size(count: float) -> str:
    """Bytes in the unit that reads best."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def span(seconds: float) -> str:
    """A duration in at most two units."""
    whole = math.ceil(seconds)
    for unit, name, below, less in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // below
            return f"{whole // unit} {name}" + (f" {rest} {less}" if rest else "")
    return f"{whole} s"


def last_line(totals: Mapping[Action, int]) -> str:
    """The line that a plan ends with, for people and scripts."""
    return "Plan: " + ", ".join(
        f"{totals.get(action, 0)} {words}" if action is not Action.ARCHIVE else f"{totals.get(action, 0)} to archive"
        for action, words in ACTIONS.items()
    )


@dataclass(frozen=True, slots=True)
class About:
    """What is told around a plan: whose it is, how it was listed, what it costs, one or two examples an action, and what
    would lift the limits that it breaks.
    """

    identity: str
    listing: str
    requests: int
    seconds: float | None
    budget: str
    examples: Sequence[tuple[Job | None, Decision]] = ()
    ways_out: Sequence[str] = ()


def show_plan(out: Console, plan: Plan, about: About) -> None:
    """A plan as tables: by policy and action, examples with reasons, why the others stay, cost, limits. No last line."""
    out.print(f"{about.identity}, as of {when(plan.as_of)}", style="bold")
    undecided = sum(plan.undecided.values())
    out.print(f"{plan.inventory:,} jobs known{about.listing}; {plan.held:,} held, {undecided:,} undecided")
    if plan.counts:
        out.print()
        out.print(_by_policy(plan))
    if about.examples:
        out.print("\nFor example", style="bold")
        out.print(_examples(about.examples, narrow=out.width < _NARROW))
    if plan.kept:
        out.print("\nWhy jobs stay", style="bold")
        out.print(_kept(plan))
    for line in (*_undecided(plan), *_stored(plan)):
        out.print(clean(line))
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
    if about.requests:
        lasts = f", about {span(about.seconds)} at {about.budget}" if about.seconds is not None else ""
        out.print(f"Needs about {about.requests:,} API requests{lasts}")
    for lifted in plan.lifted:
        by = ", ".join(clean(f"{approval.by} ({approval.reason})") for approval in plan.approvals)
        out.print(f"Limit lifted by {by}: {clean(lifted.text.partition('. ')[0])}", style="yellow")
    for broken in plan.broken:
        out.print(f"Limit broken: {clean(broken.text)}", style="red")
    for line in about.ways_out:
        out.print(clean(line))


def _warn(out: Console, lines: Iterable[str]) -> None:
    for line in lines:
        out.print(clean(line), style="yellow")


def _by_policy(plan: Plan) -> Table:
    table = plain_table("Policy", *(words.capitalize() for words in ACTIONS.values()))
    for policy in sorted({policy for policy, _ in plan.counts}, key=lambda name: (name is None, name or "")):
        cells = (plan.counts.get((policy, action), 0) for action in ACTIONS)
        table.add_row(policy or "(holds)", *(f"{number:,}" if number else "-" for number in cells))
    return table


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


def _examples(examples: Sequence[tuple[Job | None, Decision]], *, narrow: bool) -> Table:
    headers = ("Action", "Job", "Name", "Why") if narrow else ("Action", "Job", "Build", "Name", "Ended", "Why")
    table = plain_table(*headers, numbers=False)
    table.columns[1].no_wrap = True
    for job, decision in examples:
        if job is None:
            continue
        ended = when(job.ended_at) if isinstance(job.ended_at, int) else "-"
        build, name = (clean(text) if isinstance(text, str) else "-" for text in (job.build, job.name))
        since = f", since {when(decision.due_since)}" if decision.due_since else ""
        why = clean("; ".join(reason.text for reason in decision.reasons) + since)
        cells = (name, why) if narrow else (build, name, ended, why)
        table.add_row(ACTIONS[decision.action], job.id, *cells)
    return table


def _kept(plan: Plan) -> Table:
    table = plain_table("Jobs", "Action", "Because", numbers=False)
    most = sorted(plan.kept.items(), key=lambda item: (-item[1], item[0][0], item[0][1].text))
    told_elsewhere = (Why.ASSETS_PROTECTED, Why.NOTHING_WANTED)
    shown = [item for item in most if item[0][0] is not Action.STOP and item[0][1].why not in told_elsewhere][
        :_MOST_REASONS
    ]
    for (action, reason), jobs in shown:
        table.add_row(f"{jobs:,}", f"no {ACTIONS[action]}", clean(reason.text))
    return table


def plain_table(*headers: str, numbers: bool = True) -> Table:
    """A table without lines; all columns but the first are numbers, unless not."""
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="dim")
    for number, header in enumerate(headers):
        table.add_column(
            Text(header), justify="right" if numbers and number else "left", overflow="fold", no_wrap=not number
        )
    return table


# --- rows for machines ---------------------------------------------------------------------------------------------------

COLUMNS = ("account", "job_id", "owner", "action", "policy", "due_since", "reasons")


def action_row(job_id: str, owner: str, decision: Decision) -> dict[str, Any]:
    """One action as the plan file has it, but for its fingerprint."""
    since = None if decision.due_since is None else datetime.fromtimestamp(decision.due_since, UTC)
    return {
        "job_id": job_id,
        "owner": owner,
        "action": decision.action.value,
        "policy": decision.policy,
        "due_since": None if since is None else since.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "reasons": [reason.text for reason in decision.reasons],
    }


def kept_row(job_id: str, decisions: Iterable[Decision]) -> dict[str, Any]:
    """One job to which nothing happens, with why, by action."""
    reasons = [
        f"{d.action.value}: {reason.text}" for d in decisions if d.action is not Action.STOP for reason in d.reasons
    ]
    return {"job_id": job_id, "reasons": reasons}


def csv_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """CSV with a header; a cell that a spreadsheet would take for a formula begins with an apostrophe."""
    line = io.StringIO()
    writer = csv.DictWriter(line, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        yield line.getvalue()
        line.seek(0)
        line.truncate()
        writer.writerow({key: _cell(row.get(key)) for key in COLUMNS})
    yield line.getvalue()


def _cell(value: object) -> str:
    text = "" if value is None else "; ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def markdown(plan: Plan, about: About) -> Iterator[str]:
    """A plan for a pull request."""
    yield f"**{about.identity}**, as of {when(plan.as_of)}: {plan.inventory:,} jobs known, {plan.held:,} held\n\n"
    yield "| policy | " + " | ".join(ACTIONS.values()) + " |\n|---|" + "---:|" * len(ACTIONS) + "\n"
    for policy in sorted({policy for policy, _ in plan.counts}, key=lambda name: (name is None, name or "")):
        cells = (f"{plan.counts.get((policy, action), 0):,}" for action in ACTIONS)
        yield f"| {policy or '(holds)'} | " + " | ".join(cells) + " |\n"
    for line in (*late_lines(plan.late), *(f"warning: {clean(lint)}" for lint in plan.lints)):
        yield f"\n> {line}\n"
    for broken in plan.broken:
        yield f"\n> **limit broken** {broken.text}\n"
    if about.ways_out:
        yield "\n```\n" + "\n".join(about.ways_out) + "\n```\n"
    yield "\n"


# --- the end of a run ----------------------------------------------------------------------------------------------------


class Failure(Protocol):
    """One action that failed."""

    @property
    def job_id(self) -> str: ...
    @property
    def policy(self) -> str: ...
    @property
    def action(self) -> Action: ...
    @property
    def detail(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Ended:
    """What a run did, in numbers: by action and outcome, bytes, and everything that is not as it should be."""

    counts: Mapping[tuple[Action, str], int]
    archived_assets: int
    archived_bytes: int
    reclaimed_bytes: int
    unlisted_files: int
    left: int
    halted: str | None
    failures: Sequence[Failure]
    skips: Mapping[str, int]
    recovered: str | None = None


_MOST_FAILURES = 10


def show_end(out: Console, account: str, ended: Ended) -> None:
    """What was done, and why what is missing is missing."""
    table = plain_table("Action", "Done", "Already gone", "Skipped", "Failed")
    for action, words in ACTIONS.items():
        cells = [ended.counts.get((action, outcome), 0) for outcome in ("done", "already_gone", "skipped", "failed")]
        if any(cells):
            table.add_row(words.capitalize(), *(f"{number:,}" if number else "-" for number in cells))
    out.print(f"\n{account}: carried out", style="bold")
    if table.row_count:
        out.print(table)
    else:
        out.print("Nothing was to be done.")
    if ended.archived_assets:
        out.print(f"Archived {ended.archived_assets:,} assets, {size(ended.archived_bytes)}, each verified")
    if ended.reclaimed_bytes:
        hidden = f", {ended.unlisted_files:,} files among them that no list had" if ended.unlisted_files else ""
        out.print(f"Sauce Labs says it deleted {size(ended.reclaimed_bytes)}{hidden}")
    if ended.recovered:
        out.print(ended.recovered)
    for why, jobs in sorted(ended.skips.items()):
        out.print(f"Skipped {jobs:,}: {why}")
    for failure in ended.failures[:_MOST_FAILURES]:
        out.print(
            f"Failed: {ACTIONS[failure.action]} of {failure.job_id} ({failure.policy}): {clean(failure.detail)}",
            style="red",
        )
    if len(ended.failures) > _MOST_FAILURES:
        out.print(f"… and {len(ended.failures) - _MOST_FAILURES:,} more failures, each in the log", style="red")
    if ended.halted:
        out.print(f"Cut short: {clean(ended.halted)}; the rest is for the next run", style="yellow")


def decision_lines(decisions: Iterable[Decision]) -> Iterator[str]:
    """Each decision on a job with all its reasons, one line a reason."""
    for decision in decisions:
        if decision.action is Action.STOP and decision.verdict is Verdict.KEEP:
            continue
        since = f" since {when(decision.due_since)}" if decision.due_since else ""
        by = f" by {decision.policy}" if decision.policy else ""
        yield f"{ACTIONS[decision.action]}: {decision.verdict.value}{by}{since}"
        yield from (f"    {clean(reason.text)}" for reason in decision.reasons)


def json_text(value: object) -> str:
    """JSON for people and machines."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def write_all(stream: IO[str], pieces: Iterable[str]) -> None:
    """Write text piece by piece."""
    for piece in pieces:
        stream.write(piece)
    stream.flush()
