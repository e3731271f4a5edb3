"""The plan page: what an account's newest plan does, with what is destroyed without a copy first,
and why each job is in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from flask import Blueprint, Response, abort, render_template, request, url_for

from sauce_janitor.counts import counted
from sauce_janitor.model.console.stored_plans import (
    PlanFacts,
    PlanFilter,
    PlannedRow,
    PlanPage,
    PlanTotal,
    StoredPlan,
)
from sauce_janitor.model.jobs import Action
from sauce_janitor.web.console import Section
from sauce_janitor.web.page_text import clean, size

_ACTIONS: Final = {action.value: action for action in Action}
_PREFIX: Final = re.compile(r"[0-9a-f]{1,32}")
_LONGEST: Final = 300
_LONGEST_STATUS: Final = 12
_OWNERS: Final = 200
"""How many owners the page proposes; any other can be typed."""
_BADGES: Final = frozenset({"passed", "failed", "error"})
_LAST: Final = 10**12


@dataclass(frozen=True, slots=True)
class PlanFate:
    """What became of a plan: the run that has changed something since, and the approval that lifts
    its limits. Times are epoch seconds; None where there is none.
    """

    run_id: str | None
    run_at: int | None
    approved_by: str | None
    approved_until: int | None


class PlanSource(Protocol):
    """Gives the page its plans. Each method may raise a JanitorError."""

    def accounts(self) -> Sequence[str]:
        """Return the names of the configured accounts, in their order."""

    def newest(self, account: str, /) -> StoredPlan | None:
        """Return the newest plan of an account, None where no run has stored one."""

    def fate(self, plan: StoredPlan, /) -> PlanFate:
        """Return what became of the plan until now."""

    def page(self, plan: StoredPlan, wanted: PlanFilter, /, *, after: int) -> PlanPage:
        """Return the next jobs of a filter after a position, -1 for the beginning."""

    def changes(self, plan: StoredPlan, /) -> tuple[PlanPage, PlanPage, PlanPage]:
        """Return the first jobs that are new, that left, and that have other actions than in the
        former plan.
        """

    def export(self, plan: StoredPlan, wanted: PlanFilter, /) -> Iterator[str]:
        """Yield all jobs of a filter as CSV, line by line."""


def plan_section(source: PlanSource) -> Section:
    """Return the page of each account's newest plan, at /plan."""
    pages = Blueprint("plan", __name__, url_prefix="/plan")

    @pages.get("")
    def show() -> str:
        account = _account(source)
        plan = source.newest(account)
        accounts = source.accounts()
        if plan is None:
            return render_template("plan/none.html", account=account, accounts=accounts)
        wanted, fields = _filter(plan.facts)
        after, is_replaced = _after(plan)
        page = source.page(plan, wanted, after=after)
        query: dict[str, Any] = {"account": account, **fields}
        following = None
        if page.after is not None:
            following = url_for("plan.show", **query, plan=plan.number, after=page.after)
        return render_template(
            "plan/show.html",
            account=account,
            accounts=accounts,
            plan=plan,
            facts=plan.facts,
            fate=source.fate(plan),
            duration=_duration(plan.facts.done_in_s),
            totals=[(total, _amount(total), _of_total(total)) for total in plan.facts.totals],
            changes=_changes(source, plan),
            fields=fields,
            query=query,
            policies=list(dict.fromkeys(clean(total.policy) for total in plan.facts.totals)),
            actions=list(_ACTIONS),
            proposed=[clean(owner) for owner in plan.facts.owners[:_OWNERS]],
            found=_found(plan.facts, wanted),
            rows=[_line(row) for row in page.rows],
            is_first=after < 0,
            is_replaced=is_replaced,
            following=following,
        )

    @pages.get("/jobs.csv")
    def jobs_csv() -> Response:
        account = _account(source)
        plan = source.newest(account)
        if plan is None:
            abort(404, f"No run has stored a plan of {clean(account)} yet.")
        wanted, _ = _filter(plan.facts)
        lines = (line.encode() for line in source.export(plan, wanted))
        return Response(
            lines,
            content_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="plan.csv"'},
        )

    return Section(pages, "plan.show", "Plan")


def _account(source: PlanSource) -> str:
    accounts = source.accounts()
    name = request.args.get("account") or next(iter(accounts), "")
    if name not in accounts:
        abort(404, f"The configuration has no account {clean(name)[:_LONGEST]}.")
    return name


def _filter(facts: PlanFacts) -> tuple[PlanFilter, dict[str, str]]:
    """Return the filter of the URL, and its values as the form shows them: those that make no sense
    are left out.
    """
    policies = {total.policy for total in facts.totals}
    given = {
        name: clean(request.args.get(name, "").strip()[:_LONGEST])
        for name in ("policy", "action", "owner", "job", "unstored")
    }
    given["job"] = given["job"].lower()
    if given["action"] not in _ACTIONS:
        given["action"] = ""
    if _PREFIX.fullmatch(given["job"]) is None:
        given["job"] = ""
    wanted = PlanFilter(
        policy=_meant(given["policy"], policies),
        action=_ACTIONS.get(given["action"]),
        owner=_meant(given["owner"], facts.owners),
        prefix=given["job"],
        unstored=bool(given["unstored"]),
    )
    return wanted, {name: value for name, value in given.items() if value}


def _meant(text: str, names: Collection[str]) -> str | None:
    """Return the name that a page shows as this text, the text itself where there is none; None for
    "".
    """
    if text in names:
        return text
    # A page shows characters that could harm a reader as a sign of replacement.
    return next((name for name in names if clean(name) == text), text or None)


def _after(plan: StoredPlan) -> tuple[int, bool]:
    """Return the position after which the page begins, and whether a newer plan has replaced the
    one that the link was about: then it begins anew.
    """
    number = request.args.get("plan", plan.number, type=int)
    after = min(request.args.get("after", -1, type=int), _LAST)
    if number != plan.number and after >= 0:
        return -1, True
    return max(-1, after), False


def _found(facts: PlanFacts, wanted: PlanFilter) -> int | None:
    """Return how many jobs a filter shows; None where only reading all of them would tell."""
    if wanted.owner is not None or wanted.prefix:
        return None
    each = zip(facts.kinds, facts.counts, strict=True)
    return sum(jobs for kind, jobs in each if wanted.takes(kind))


def _duration(seconds: float | None) -> str | None:
    """Return how long the request budget takes, as text; None without a limit."""
    if seconds is None:
        return None
    if seconds < 60:
        return "less than a minute"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:,.0f} h"


def _amount(total: PlanTotal) -> str | None:
    """Return the bytes of a total as text: at least so many where some sizes are unknown."""
    if total.size_bytes is None:
        return None
    if not total.unknown:
        return size(total.size_bytes)
    return f"> {size(total.size_bytes)}" if total.size_bytes else "unknown"


def _of_total(total: PlanTotal) -> dict[str, str]:
    return {"policy": clean(total.policy), "action": total.action.value}


def _changes(source: PlanSource, plan: StoredPlan) -> list[tuple[str, int, list[dict[str, Any]]]]:
    """Return the difference to the former plan: what happened, to how many jobs, and the first of
    them. Nothing where no job changed.
    """
    difference = plan.difference
    if difference is None or not (difference.added or difference.left or difference.changed):
        return []
    added, left, changed = source.changes(plan)
    rows = (
        ("New", difference.added, added),
        ("No longer in it", difference.left, left),
        ("Other actions", difference.changed, changed),
    )
    return [
        (f"{what}: {counted(count, 'job')}", count, [_line(row) for row in page.rows])
        for what, count, page in rows
    ]


def _line(row: PlannedRow) -> dict[str, Any]:
    """Return a job as the template shows it."""
    job = row.job
    name = job.name if job is not None and isinstance(job.name, str) else None
    build = job.build if job is not None and isinstance(job.build, str) else None
    status = job.status if job is not None and isinstance(job.status, str) else None
    # A job without a status has its state: running, queued.
    standing = status or (job.state.value if job is not None else "not known")
    return {
        "job_id": row.job_id,
        "name": name or row.job_id,
        "build": build,
        "owner": row.owner,
        # Sauce Labs' words are short; any other one must not widen the table.
        "status": "gone" if row.gone else standing[:_LONGEST_STATUS],
        "badge": standing if standing in _BADGES and not row.gone else "",
        "loss": row.kind.loss,
        "held": row.kind.held,
        "actions": [
            {
                "name": each.action.value.replace("_", " "),
                "policy": each.policy,
                "reasons": each.reasons,
                "since": since,
            }
            for each, since in zip(row.kind.actions, row.due_since, strict=True)
        ],
    }
