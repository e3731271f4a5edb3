"""`explain`: why one job stays or goes, or why and when it went."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor.cli.app import Session
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.archive import MirroredHold
    from sauce_janitor.config import Account, Config
    from sauce_janitor.retention.explaining import Explanation
    from sauce_janitor.retention.model import JobId
    from sauce_janitor.state import Line, State


@click.command()
@click.argument("job_id")
@click.option("--account", "wanted", metavar="NAME", help="Only this account.")
@click.option("--policy", "policies", multiple=True, metavar="NAME", help="Only what this policy says. Repeatable.")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True)
@click.pass_obj
def explain(session: Session, job_id: str, wanted: str | None, policies: tuple[str, ...], form: str) -> None:
    """Say why JOB_ID stays or goes, by which rule, and when; of a deleted job, what is on record. Asks Sauce Labs nothing."""
    from sauce_janitor import report
    from sauce_janitor.config import load
    from sauce_janitor.pipeline.holding import open_holding
    from sauce_janitor.retention.model import job_id as checked
    from sauce_janitor.state import State

    config = load(session.config_path)
    try:
        job = checked(job_id.strip().lower())
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from wrong
    with ExitStack() as stack:
        state = stack.enter_context(State.open(config.state))
        found = []
        for account in config.accounts:
            if wanted in (None, account.name):
                holding = open_holding(config.archive, account.name, state, stack=stack)
                holds = tuple(each.hold for each in holding.known(at=int(time.time())) if each.hold.job_id == job)
                explanation = _explanation(config, state, account, job, held=bool(holds))
                found.append((account, explanation, state.journal.of(job, account.name), holds))
    found = [each for each in found if each[1] is not None or each[2]]
    if not found:
        raise ConfigError(f"job {job} is not known here: `sauce-janitor plan` lists the jobs, then explain it")
    if form == "json":
        click.echo(
            report.json_text([_as_json(account.name, told, lines, holds) for account, told, lines, holds in found])
        )
        return
    for account, told, lines, holds in found:
        for text in _as_text(account.name, job, told, lines, frozenset(policies)):
            click.echo(text)
        for hold in holds:
            end = f"until {report.when(hold.until)}" if hold.until else "until it is released"
            click.echo(
                f"Held by {report.clean(hold.by)} since {report.when(hold.at)}, {end}: {report.clean(hold.reason)}"
            )


def _explanation(config: Config, state: State, account: Account, job: JobId, *, held: bool) -> Explanation | None:
    from sauce_janitor.retention import explaining
    from sauce_janitor.state import Query

    rules = config.rules(account.name)
    now = int(time.time())
    query = Query(account.name, None, rules.age_from, now, held=frozenset({job} if held else ()))
    with state.jobs.snapshot(query) as snapshot:
        if snapshot.record(job) is None:
            return None
        return explaining.explain(rules, snapshot.records, job, as_of=now)


def _as_text(
    account: str, job: JobId, told: Explanation | None, lines: tuple[Line, ...], policies: frozenset[str]
) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.retention.model import UNKNOWN

    if told is None:
        yield f"{job} of account {account}: {_fate(lines)}"
    else:
        facts = told.record.job
        words = [f"{name} {report.clean(value)}" for name in ("name", "build", "status", "os", "browser")
                 if isinstance(value := getattr(facts, name), str)]  # fmt: skip
        yield f"{job} of {facts.owner} in account {account}: {', '.join(words) or 'no name'}"
        tags = "unknown" if facts.tags is UNKNOWN else ", ".join(map(report.clean, facts.tags)) or "none"
        age = f"aged since {report.when(told.age_time)}" if told.age_time is not None else "no age"
        yield f"{facts.state.value}, {age}, tags {tags}"
        yield ""
        yield from report.decision_lines(told.decisions)
        yield ""
        yield from _rules(told, policies)
        yield (
            f"Goes: {report.when(told.goes_at)}, if nothing but time changes"
            if told.goes_at
            else "Goes: never, as things stand"
        )
        yield from (f"Saves it: {report.clean(each)}" for each in told.saves)
    if lines:
        yield "\nOn record"
        for line in lines:
            what = " ".join(filter(None, (line.kind, line.action.value, line.outcome)))
            detail = line.detail.get("text", "") or (f"receipt {line.receipt}" if line.receipt else "")
            yield f"  {report.when(line.at)}  {what}  by {line.policy}  {report.clean(detail)}".rstrip()


def _rules(told: Explanation, policies: frozenset[str]) -> Iterator[str]:
    from sauce_janitor import report

    for view in told.policies:
        if policies and view.policy not in policies:
            continue
        matches = {True: "matches", False: "does not match", None: f"undecided ({', '.join(view.unknown_fields)})"}[
            view.matches
        ]
        yield f"{view.policy}: {matches}"
        for claim in told.claims:
            if claim.policy == view.policy:
                due = f"from {report.when(claim.due_at)}" if claim.due_at is not None else "never"
                kept = f", kept by {', '.join(claim.kept_by)}" if claim.kept_by else ""
                over = f", overridden by {', '.join(claim.overridden_by)}" if claim.overridden_by else ""
                yield f"    {report.ACTIONS[claim.action]} after {claim.after or 'never'}: {due}{kept}{over}"
        for rank in told.ranks:
            if rank.policy == view.policy:
                group = ", ".join(map(report.clean, rank.group)) or "all its jobs"
                yield f"    rank {rank.rank if rank.rank is not None else '-'} of {rank.of} in {group}"


def _fate(lines: tuple[Line, ...]) -> str:
    from sauce_janitor import report
    from sauce_janitor.retention.model import Action

    done = [line for line in lines if line.outcome in ("confirmed", "already_gone")]
    gone = next((line for line in reversed(done) if line.action is Action.DELETE_JOB), None)
    if gone is None:
        return "not in the inventory any more; not deleted by us"
    how = "deleted" if gone.outcome == "confirmed" else "already gone, deleted by somebody else"
    return f"{how}, {report.when(gone.at)}, by policy {gone.policy}"


def _as_json(
    account: str, told: Explanation | None, lines: tuple[Line, ...], holds: tuple[MirroredHold, ...]
) -> dict[str, Any]:
    from sauce_janitor import report

    record = [
        {"at": line.at, "kind": line.kind, "action": line.action.value, "outcome": line.outcome, "policy": line.policy,
         "receipt": line.receipt, "detail": dict(line.detail)}
        for line in lines
    ]  # fmt: skip
    local = [{"by": hold.by, "reason": hold.reason, "at": hold.at, "until": hold.until} for hold in holds]
    made: dict[str, Any] = {"account": account, "journal": record, "local_holds": local}
    if told is not None:
        job = told.record.job
        made |= {
            "job_id": job.id,
            "owner": job.owner,
            "goes_at": told.goes_at,
            "saves": list(told.saves),
            "decisions": [
                {**report.action_row(job.id, job.owner, decision), "verdict": decision.verdict.value}
                for decision in told.decisions
            ],
            "ranks": [{"policy": r.policy, "group": list(r.group), "rank": r.rank, "of": r.of} for r in told.ranks],
        }
    return made
