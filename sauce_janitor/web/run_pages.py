"""The pages of runs: the list of an account's runs, and one run with its phases and failures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from flask import Blueprint, abort, render_template, request

from sauce_janitor.web.console import Section

_CURSOR: Final = re.compile(r"(\d{1,12})-([0-9a-zA-Z_-]{1,40})")


@dataclass(frozen=True, slots=True)
class ListedRun:
    """One run in a list. `took_s` is None while it has not ended, or when it was killed."""

    run_id: str
    started_at: int
    mode: str
    result: str
    took_s: int | None
    words: str
    is_bad: bool

    @property
    def cursor(self) -> str:
        """What names the runs before it in a URL."""
        return f"{self.started_at}-{self.run_id}"


@dataclass(frozen=True, slots=True)
class RunList:
    """Runs of one account, newest first. `has_older`: there are older ones."""

    account: str
    runs: tuple[ListedRun, ...]
    has_older: bool


@dataclass(frozen=True, slots=True)
class PhaseTime:
    """A phase of a run, its seconds, and its share of all phases from 0 to 100."""

    name: str
    seconds: float
    percent: int


@dataclass(frozen=True, slots=True)
class ActionCounts:
    """How many actions of one kind had each outcome."""

    action: str
    done: int
    already_gone: int
    skipped: int
    failed: int


@dataclass(frozen=True, slots=True)
class FailureLine:
    """Failures of one kind: what failed, why, what to do, how many jobs, and some of them."""

    what: str
    why: str
    advice: str
    jobs: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShownRun:
    """One run. `remarks` are sentences about what it did not do, `facts` pairs of name and text.

    `plan` has the planned jobs by policy, one number for each of `actions`.
    """

    account: str
    listed: ListedRun
    error: str | None
    remarks: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    phases: tuple[PhaseTime, ...]
    outcomes: tuple[ActionCounts, ...]
    failures: tuple[FailureLine, ...]
    actions: tuple[str, ...]
    plan: tuple[tuple[str, tuple[int, ...]], ...]
    plan_as_of: int | None


class RunSource(Protocol):
    """Gives the pages the runs. Every method may raise a JanitorError."""

    def accounts(self) -> Sequence[str]:
        """Return the names of all accounts, in the order of the configuration."""

    def runs(self, account: str, before: tuple[int, str] | None, /) -> RunList:
        """Return the account's newest runs, or those before the one with that start and id."""

    def run(self, run_id: str, /) -> ShownRun | None:
        """Return one run; None if there is none."""


def runs_section(source: RunSource) -> Section:
    """Return the pages of runs, at /runs."""
    pages = Blueprint("runs", __name__, url_prefix="/runs")

    @pages.get("")
    def listed() -> str:
        accounts = source.accounts()
        account = request.args.get("account") or next(iter(accounts), "")
        if account not in accounts:
            abort(404, "There is no such account in the configuration.")
        cursor = _CURSOR.fullmatch(request.args.get("before", ""))
        before = None if cursor is None else (int(cursor[1]), cursor[2])
        return render_template(
            "runs/list.html", accounts=accounts, page=source.runs(account, before), before=before
        )

    @pages.get("/<run_id>")
    def show(run_id: str) -> str:
        run = source.run(run_id)
        if run is None:
            abort(404, "There is no such run.")
        return render_template("runs/run.html", run=run)

    return Section(pages, "runs.listed", "Runs")
