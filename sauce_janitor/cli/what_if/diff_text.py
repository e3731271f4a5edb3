"""A comparison of two configurations told: a table for people, markdown for a pull request, JSON
for machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from sauce_janitor import report
from sauce_janitor.model.jobs import Action, Job
from sauce_janitor.retention.what_if.diff import (
    ChangedJob,
    ChangeKind,
    DecisionChange,
    DecisionDiff,
)
from sauce_janitor.retention.what_if.forecast import Forecast

WORDS: Final = {
    (ChangeKind.NEW, Action.ARCHIVE): "newly archived",
    (ChangeKind.DROPPED, Action.ARCHIVE): "not archived any more",
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
    (ChangeKind.DROPPED, Action.STOP): "not stopped any more",
    (ChangeKind.EARLIER, Action.STOP): "stopped earlier",
    (ChangeKind.LATER, Action.STOP): "stopped later",
}
"""Each change in words. What loses data comes first, see `_rows`."""
_ORDER: Final = (Action.DELETE_JOB, Action.DELETE_ASSETS, Action.ARCHIVE, Action.STOP)
_LONGEST: Final = 80


@dataclass(frozen=True, slots=True)
class AccountDiff:
    """One account's comparison at `as_of`, and the limits that the next plan of the new
    configuration breaks.
    """

    account: str
    as_of: int
    comparison: DecisionDiff
    limits: tuple[str, ...]


def _rows(told: AccountDiff) -> list[tuple[str, str, DecisionChange]]:
    """Each change in words, its policy, and the jobs: what is newly deleted first."""
    kinds, found = list(ChangeKind), told.comparison.changes
    order = sorted(found, key=lambda key: (kinds.index(key[0]), _ORDER.index(key[1]), key[2] or ""))
    return [
        (WORDS[kind, action], policy or "(holds)", found[kind, action, policy])
        for kind, action, policy in order
    ]


def _sum(told: AccountDiff) -> str:
    comparison = told.comparison
    if not comparison.changes:
        return f"nothing changes for {comparison.jobs:,} known jobs"
    return f"the edit changes {comparison.changed:,} of {comparison.jobs:,} known jobs"


# --- for people -----------------------------------------------------------------------------------


def show(out: Console, told: AccountDiff) -> None:
    """The changes by policy and action, examples with their reasons before and after, limits that
    would break.
    """
    out.print(f"{told.account}, as of {report.when(told.as_of)}: {_sum(told)}", style="bold")
    rows = _rows(told)
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
        for example in change.examples[:1]:
            report.say(out, f"{words} ({policy}): {example.job.id} {_name(example.job)}")
            report.say(out, f"before: {_fate(example.before)}", indent=2, style="dim")
            report.say(out, f"after:  {_fate(example.after)}", indent=2)
    out.print()
    for text in told.limits:
        report.say(out, f"The next plan breaks a limit: {text}", style="red")


def _name(job: Job) -> str:
    words = [text for text in (job.name, job.build) if isinstance(text, str)]
    return _cut(" in ".join(words)) or "(no name)"


def _cut(text: str) -> str:
    text = report.clean(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _fate(fate: Forecast) -> str:
    files = f", stores {fate.files}" if fate.files else ""
    if fate.at is None:
        when = "never"
    elif fate.is_due:
        when = f"now, due since {report.when(fate.at)}"
    else:
        when = report.when(fate.at)
    return f"{when}{report.clean(files)}; {report.clean('; '.join(fate.reasons))}"


# --- for a pull request ---------------------------------------------------------------------------


def markdown(old: Path, new: Path, found: Sequence[AccountDiff]) -> Iterator[str]:
    """A comment for a pull request. Whatever comes from Sauce Labs stands in code, so that it
    mentions and links no one.
    """
    yield f"### What {_code(new.name)} changes against {_code(old.name)}\n"
    for told in found:
        yield f"\n**{told.account}**, as of {report.when(told.as_of)}: {_sum(told)}\n"
        rows = _rows(told)
        if not rows:
            continue
        yield "\n| what changes | policy | jobs | due now |\n|---|---|---:|---:|\n"
        for words, policy, change in rows:
            yield f"| {words} | {_code(policy)} | {change.jobs:,} | {change.due_now:,} |\n"
        for text in told.limits:
            yield f"\n> **The next plan breaks a limit:** {_code(text)}\n"
        yield (
            "\n<details><summary>Examples</summary>\n\n| what changes | job | before | after "
            "|\n|---|---|---|---|\n"
        )
        for words, policy, change in rows:
            for each in change.examples:
                job = f"{_code(each.job.id)}<br>{_code(_name(each.job))}"
                yield (
                    f"| {words} ({_code(policy)}) | {job} | {_code(_fate(each.before))} | "
                    f"{_code(_fate(each.after))} |\n"
                )
        yield "\n</details>\n"


def _code(text: str) -> str:
    """Text as code in a cell of a table: nothing in it is markdown, HTML or the end of the cell."""
    return f"`{report.clean(text).replace('`', chr(0x2BC)).replace('|', chr(0x2502))}`"


# --- for machines ---------------------------------------------------------------------------------


def as_json(old: Path, new: Path, found: Sequence[AccountDiff]) -> dict[str, Any]:
    """Everything, with stable keys; times in ISO 8601."""
    return {
        "version": 1,
        "old": str(old),
        "new": str(new),
        "accounts": [
            {
                "account": told.account,
                "as_of": report.iso(told.as_of),
                "jobs": told.comparison.jobs,
                "changed": told.comparison.changed,
                "changes": [
                    {
                        "kind": kind.value,
                        "action": action.value,
                        "policy": policy,
                        "jobs": change.jobs,
                        "due_now": change.due_now,
                        "examples": [_example(each) for each in change.examples],
                    }
                    for (kind, action, policy), change in sorted(
                        told.comparison.changes.items(),
                        key=lambda item: (item[0][0], item[0][1], item[0][2] or ""),
                    )
                ],
                "limits": list(told.limits),
            }
            for told in found
        ],
    }


def _example(example: ChangedJob) -> dict[str, Any]:
    job = example.job
    names = {
        key: text if isinstance(text, str) else None
        for key, text in (("name", job.name), ("build", job.build))
    }
    return {
        "job_id": job.id,
        "owner": job.owner,
        **names,
        "before": _as_json(example.before),
        "after": _as_json(example.after),
    }


def _as_json(fate: Forecast) -> dict[str, Any]:
    return {
        "at": report.iso(fate.at), "due": fate.is_due, "policy": fate.policy, "files": fate.files,
        "reasons": list(fate.reasons),
    }  # fmt: skip
