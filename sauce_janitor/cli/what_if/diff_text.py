"""The output of `diff`: a table for people, markdown for a pull request, JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.json_output import Shape, key, time
from sauce_janitor.model.jobs import HOLD, Action, Job
from sauce_janitor.retention.what_if.diff import (
    ChangeKind,
    DecisionChange,
    DecisionDiff,
)
from sauce_janitor.retention.what_if.forecast import Forecast

WORDS: Final = {
    (ChangeKind.NEW, Action.ARCHIVE): "newly archived",
    (ChangeKind.DROPPED, Action.ARCHIVE): "no longer archived",
    (ChangeKind.EARLIER, Action.ARCHIVE): "archived earlier",
    (ChangeKind.LATER, Action.ARCHIVE): "archived later",
    (ChangeKind.OTHER_FILES, Action.ARCHIVE): "archived, other files of it",
    (ChangeKind.NEW, Action.DELETE_ASSETS): "assets newly deleted",
    (ChangeKind.DROPPED, Action.DELETE_ASSETS): "assets newly kept",
    (ChangeKind.EARLIER, Action.DELETE_ASSETS): "assets deleted earlier",
    (ChangeKind.LATER, Action.DELETE_ASSETS): "assets deleted later",
    (ChangeKind.NEW, Action.DELETE_JOB): "job newly deleted",
    (ChangeKind.DROPPED, Action.DELETE_JOB): "job newly kept",
    (ChangeKind.EARLIER, Action.DELETE_JOB): "job deleted earlier",
    (ChangeKind.LATER, Action.DELETE_JOB): "job deleted later",
    (ChangeKind.NEW, Action.STOP): "newly stopped",
    (ChangeKind.DROPPED, Action.STOP): "no longer stopped",
    (ChangeKind.EARLIER, Action.STOP): "stopped earlier",
    (ChangeKind.LATER, Action.STOP): "stopped later",
}
"""Each change in words. `_rows` puts first what loses data."""
_ORDER: Final = (Action.DELETE_JOB, Action.DELETE_ASSETS, Action.ARCHIVE, Action.STOP)
_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class AccountDiff:
    """What changes for an account at `as_of`, and the limits that the next plan will break."""

    account: str
    as_of: int
    comparison: DecisionDiff
    limits: tuple[str, ...]

    def changes(self) -> Iterator[ChangeOfPolicy]:
        """Yield the changes by kind, action and policy."""
        found = self.comparison.changes
        for kind, action, policy in sorted(found, key=lambda by: (by[0], by[1], by[2] or "")):
            yield ChangeOfPolicy(kind, action, policy, found[kind, action, policy])


@dataclass(frozen=True, slots=True)
class ChangeOfPolicy:
    """What an edit changes in one way by one policy; None is a hold."""

    kind: ChangeKind
    action: Action
    policy: str | None
    change: DecisionChange


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What changes from the configuration `old` to `new`."""

    old: Path
    new: Path
    accounts: Sequence[AccountDiff]


def _rows(account_diff: AccountDiff) -> list[tuple[str, str, DecisionChange]]:
    """Return each change in words, its policy and its jobs; what is newly deleted comes first."""
    kinds, found = list(ChangeKind), account_diff.comparison.changes
    order = sorted(found, key=lambda key: (kinds.index(key[0]), _ORDER.index(key[1]), key[2] or ""))
    return [
        (WORDS[kind, action], policy or HOLD, found[kind, action, policy])
        for kind, action, policy in order
    ]


def _sum(account_diff: AccountDiff) -> str:
    comparison = account_diff.comparison
    known = report.counted(comparison.jobs, "known job")
    if not comparison.changes:
        return f"nothing changes for {known}"
    return f"the edit changes {comparison.changed:,} of {known}"


# --- for people -----------------------------------------------------------------------------------


def show(out: Console, account_diff: AccountDiff) -> None:
    """Print the changes by policy and action, with examples, and limits that will break."""
    out.print(
        f"{account_diff.account}, as of {report.when(account_diff.as_of)}: {_sum(account_diff)}",
        style="bold",
    )
    # Without a change, the first line says all.
    rows = _rows(account_diff)
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
            report.say(out, f"{words} ({policy}): {example.job.id} {_name(example.job)}")
            report.say(out, f"before: {_forecast_text(example.before)}", indent=2, style="dim")
            report.say(out, f"after:  {_forecast_text(example.after)}", indent=2)
    out.print()
    for text in account_diff.limits:
        report.say(out, f"The next plan breaks a limit: {text}", style="red")


def _name(job: Job) -> str:
    words = [text for text in (job.name, job.build) if isinstance(text, str)]
    return _cut(" in ".join(words)) or "(no name)"


def _cut(text: str) -> str:
    text = report.clean(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _forecast_text(forecast: Forecast) -> str:
    files = f", stores {forecast.files}" if forecast.files else ""
    if forecast.at is None:
        when = "never"
    elif forecast.is_due:
        when = f"now, due since {report.when(forecast.at)}"
    else:
        when = report.when(forecast.at)
    return f"{when}{report.clean(files)}; {report.clean('; '.join(forecast.reasons))}"


# --- for a pull request ---------------------------------------------------------------------------


def markdown(old: Path, new: Path, found: Sequence[AccountDiff]) -> Iterator[str]:
    """Yield a comment for a pull request.

    Text from Sauce Labs is shown as code, so that it cannot mention a person or make a link.
    """
    yield f"### What {_code(new.name)} changes against {_code(old.name)}\n"
    for account_diff in found:
        as_of = report.when(account_diff.as_of)
        yield f"\n**{account_diff.account}**, as of {as_of}: {_sum(account_diff)}\n"
        rows = _rows(account_diff)
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
                job = f"{_code(each.job.id)}<br>{_code(_name(each.job))}"
                yield (
                    f"| {words} ({_code(policy)}) | {job} | {_code(_forecast_text(each.before))} | "
                    f"{_code(_forecast_text(each.after))} |\n"
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
