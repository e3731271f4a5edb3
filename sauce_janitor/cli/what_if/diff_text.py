"""The output of `diff`: a table for people, markdown for a pull request, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.console.policies.account_diff import (
    AccountDiff,
    change_rows,
    forecast_text,
    job_text,
    summary_text,
)
from sauce_janitor.json_output import Shape, key, time


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What changes from the configuration `old` to `new`."""

    old: Path
    new: Path
    accounts: Sequence[AccountDiff]


# --- for people -----------------------------------------------------------------------------------


def show(out: Console, account_diff: AccountDiff) -> None:
    """Print the changes by policy and action, with examples, and limits that will break."""
    as_of = report.when(account_diff.as_of)
    out.print(f"{account_diff.account}, as of {as_of}: {summary_text(account_diff)}", style="bold")
    # Without a change, the first line says all.
    rows = change_rows(account_diff)
    if not rows:
        return
    columns = (
        report.Column("What changes", "word"),
        report.Column("Policy"),
        report.Column("Jobs", "number"),
        report.Column("Due now", "number"),
    )
    out.print()
    report.show_table(
        out,
        columns,
        ((words, policy, change.jobs, change.due_now or None) for words, policy, change in rows),
    )
    out.print("\nFor example", style="bold")
    for words, policy, change in rows:
        # One a kind is enough to see what it means; markdown and JSON have more.
        for example in change.examples[:1]:
            report.say(out, f"{words} ({policy}): {example.job.id} {job_text(example.job)}")
            report.say(out, f"before: {forecast_text(example.before)}", indent=2, style="dim")
            report.say(out, f"after:  {forecast_text(example.after)}", indent=2)
    out.print()
    for text in account_diff.limits:
        report.say(out, f"The next plan breaks a limit: {text}", style="red")


# --- for a pull request ---------------------------------------------------------------------------


def markdown(old: Path, new: Path, found: Sequence[AccountDiff]) -> Iterator[str]:
    """Yield a comment for a pull request.

    Text from Sauce Labs is shown as code, so that it cannot mention a person or make a link.
    """
    yield f"### What {_code(new.name)} changes against {_code(old.name)}\n"
    for account_diff in found:
        as_of = report.when(account_diff.as_of)
        yield f"\n**{account_diff.account}**, as of {as_of}: {summary_text(account_diff)}\n"
        rows = change_rows(account_diff)
        if not rows:
            continue
        yield "\n| what changes | policy | jobs | due now |\n|---|---|---:|---:|\n"
        for words, policy, change in rows:
            yield f"| {words} | {_code(policy)} | {change.jobs:,} | {change.due_now:,} |\n"
        for text in account_diff.limits:
            yield f"\n> **The next plan breaks a limit:** {_code(text)}\n"
        yield (
            "\n<details><summary>Examples</summary>\n\n| what changes | job | before | after "
            "|\n|---|---|---|---|\n"
        )
        for words, policy, change in rows:
            for each in change.examples:
                job = f"{_code(each.job.id)}<br>{_code(job_text(each.job))}"
                yield (
                    f"| {words} ({_code(policy)}) | {job} | {_code(forecast_text(each.before))} | "
                    f"{_code(forecast_text(each.after))} |\n"
                )
        yield "\n</details>\n"


def _code(text: str) -> str:
    """Return text as code in a table's cell: nothing in it is markdown, HTML or the cell's end."""
    return f"`{report.clean(text).replace('`', chr(0x2BC)).replace('|', chr(0x2502))}`"


# --- for machines ---------------------------------------------------------------------------------


_FORECAST = Shape(time("at"), key("due", "is_due"), "policy", "files", "reasons")
_EXAMPLE = Shape(
    key("job_id", "job.id"),
    key("owner", "job.owner"),
    key("name", "job.name"),
    key("build", "job.build"),
    key("before", shape=_FORECAST),
    key("after", shape=_FORECAST),
)
_CHANGE = Shape(
    "kind",
    "action",
    "policy",
    key("jobs", "change.jobs"),
    key("due_now", "change.due_now"),
    key("examples", "change.examples", _EXAMPLE),
)
_ACCOUNT = Shape(
    "account",
    time("as_of"),
    key("jobs", "comparison.jobs"),
    key("changed", "comparison.changed"),
    key("changes", lambda each: each.changes(), _CHANGE),
    "limits",
)
DIFF: Final = Shape(
    key("version", lambda _: 1),
    key("old", lambda each: str(each.old)),
    key("new", lambda each: str(each.new)),
    key("accounts", shape=_ACCOUNT),
)
