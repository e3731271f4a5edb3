"""`status` and `prove`: how things stand, and whether what was deleted is proven. They ask Sauce
Labs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.errors import ConfigError, StateError

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config
    from sauce_janitor.state import RunRecord, State

FOUND_SOMETHING = 6
_LAST_RUNS = 5
_ACCOUNT = click.option(
    "--account", "accounts", multiple=True, metavar="NAME", help="Only this account. Repeatable."
)
_FORMAT = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@click.command()
@_ACCOUNT
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="NAME",
    help="Only what this policy has due. Repeatable.",
)
@_FORMAT
@click.pass_obj
def status(
    session: Session, /, accounts: tuple[str, ...], policies: tuple[str, ...], form: str
) -> None:
    """Show the last runs, what is due by the last plan, the listing, holds, retries, and changes
    whose result is unknown.
    """
    from sauce_janitor import report
    from sauce_janitor.cli import known_jobs as known

    config = session.load()
    with ExitStack() as stack:
        state = stack.enter_context(known.look(config))
        told = [
            _told(config, state, account, policies, stack) for account in _wanted(config, accounts)
        ]
    if form == "json":
        terminal.echo(report.json_text(told))
        return
    for each in told:
        try:
            lines = list(_lines(each))
        # A run's summary is JSON of no fixed form: a damaged one can raise any of these.
        except (LookupError, TypeError, ValueError, AttributeError) as wrong:
            raise StateError(
                f"the state {config.state} is damaged: what it keeps of the last runs cannot be "
                f"read ({wrong!r}): the next run writes it anew"
            ) from wrong
        for line in lines:
            terminal.echo(report.clean(line))


def _wanted(config: Config, names: tuple[str, ...]) -> list[Account]:
    known = [account.name for account in config.accounts]
    for name in names:
        if name not in known:
            raise ConfigError(
                f"there is no account {name!r} in {config.file}; there are: {', '.join(known)}"
            )
    return [account for account in config.accounts if not names or account.name in names]


def _told(
    config: Config, state: State, account: Account, policies: tuple[str, ...], stack: ExitStack
) -> dict[str, Any]:
    from sauce_janitor import report
    from sauce_janitor.errors import ArchiveError
    from sauce_janitor.model.job_changes import BY_HAND
    from sauce_janitor.model.retries import grouped
    from sauce_janitor.operations.adoption import why_refused
    from sauce_janitor.operations.holds import open_holding
    from sauce_janitor.operations.steps.delete_addresses import worked_last
    from sauce_janitor.operations.steps.foreign_deletes import last_traces
    from sauce_janitor.operations.steps.request_budget import standing
    from sauce_janitor.operations.wiring.pauses import Pauses
    from sauce_janitor.operations.wiring.progress import under_way

    name, now = account.name, int(time.time())
    pause = Pauses(state, config.archive.path).paused()
    runs = state.runs.last(name, limit=50)
    planned = next((run for run in runs if "plan" in run.summary), None)
    nobody: dict[str, Any] = {"owners": None, "left_out": [], "set_aside": [], "unconfirmed": []}
    surveyed = next((run.summary for run in runs if "owners" in run.summary), nobody)
    left_out = {left["owner"] for left in surveyed["left_out"]}
    listed = (
        [each for each in surveyed["owners"]["names"] if each not in left_out]
        if surveyed["owners"]
        else []
    )
    full_at = state.jobs.full_at(name, listed or None)
    try:
        holds: int | None = len(
            open_holding(config.archive, name, state, stack=stack).known(at=now)
        )
    except ArchiveError:
        holds = None
    retries = grouped(state.retries.of(name).values())
    digest = config.policy_digest(name)
    approvals = [each for each in config.approvals(name) if each.is_in_force(digest, at=now)]
    approvals += state.approvals.in_force(name, digest, at=now)
    return {
        "account": name,
        "identity": account.identity(),
        "now": now,
        "paused": None
        if pause is None
        else {"by": pause.by, "reason": pause.reason, "at": pause.at},
        "archive_refused": why_refused(config.archive, state, name),
        "vanished": last_traces(state, name, now=now),
        "under_way": under_way(state.notes, name, now=now),
        "last_runs": [_run(run) for run in runs[:_LAST_RUNS]],
        "last_plan": None if planned is None else _plan(planned, policies),
        "owners": surveyed["owners"],
        "left_out": surveyed["left_out"],
        "set_aside": surveyed.get("set_aside", []),
        "unconfirmed": surveyed.get("unconfirmed", []),
        "listing": {
            "jobs": state.jobs.count(name),
            "full_at": full_at,
            "age_s": None if full_at is None else now - full_at,
            "full_every_s": account.full_every_s,
        },
        "budget": {
            **standing(account, state.accounts.all(), state.counted_beside(), now=now),
            "left_after_last_run": next(
                (r.summary["budget_left"] for r in runs if "budget_left" in r.summary), None
            ),
        },
        "open_intents": [
            {
                "job_id": each.job_id,
                "action": each.action.value,
                "policy": each.policy,
                "sent_at": each.sent_at,
            }
            for each in state.journal.unresolved(name)
        ]
        + [
            {
                "job_id": each.job_id,
                "action": each.action.value,
                "policy": BY_HAND,
                "sent_at": each.sent_at,
            }
            for each in state.hand_acts.open(name)
        ],
        "delete_job_path": {
            "configured": account.delete_job_path,
            "worked": worked_last(name, state.notes),
        },
        "local_holds": holds,
        "retries": report.retry_rows(retries),
        "approvals": [
            {
                "lifts": sorted(each.lifts),
                "max_jobs": each.max_jobs,
                "until": each.until,
                "by": each.by,
                "reason": each.reason,
            }
            for each in approvals
        ],
        "policy_digest": digest,
        "daemon": _daemon(config, state, name, now),
    }


def _daemon(config: Config, state: State, account: str, now: int) -> dict[str, Any]:
    """What is known of `serve`: whether it is at work, and when this account is due; by the
    schedule alone if it is not.
    """
    from sauce_janitor.daemon import heartbeat
    from sauce_janitor.daemon.schedule import RunTimes

    beat = heartbeat.read(state.notes.read(heartbeat.NOTE), now=now)
    timetable = RunTimes(config.schedule(account), config.timezone)
    by_schedule = timetable.due_after(now)
    dark = timetable.dark_at(now)
    return {
        "running": beat is not None,
        "mode": None if beat is None else beat["mode"],
        "next_run_at": by_schedule if beat is None else beat["next_runs"].get(account, by_schedule),
        "blackout_until": None if dark is None else dark.ends_at,
        "blackout_reason": None if dark is None else dark.reason,
    }


def _next_run(daemon: dict[str, Any]) -> str:
    from sauce_janitor import report

    dark = daemon["blackout_until"]
    why = f" ({daemon['blackout_reason']})" if daemon["blackout_reason"] else ""
    during = f"; in a black-out until {report.when(dark)}{why}" if dark else ""
    if not daemon["running"]:
        return (
            "  next run: serve is not running; by the schedule "
            f"{report.when(daemon['next_run_at'])}{during}"
        )
    mode = "" if daemon["mode"] == "execute" else ", a dry run"
    return f"  next run: {report.when(daemon['next_run_at'])} by serve{mode}{during}"


def _run(run: Any) -> dict[str, Any]:
    told = {key: run.summary.get(key) for key in ("outcomes", "left", "waiting", "halted", "error")}
    times = {
        "run_id": run.run_id,
        "mode": run.mode,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }
    return {**times, "result": run.result, **told}


def _plan(run: RunRecord, policies: tuple[str, ...]) -> dict[str, Any]:
    plan = run.summary["plan"]
    own = {
        name: counts
        for name, counts in plan["by_policy"].items()
        if not policies or name in policies
    }
    carried_out = (
        run.mode == "execute" and run.result in ("done", "incomplete") and "left" in run.summary
    )
    return {**plan, "by_policy": own, "left": run.summary["left"] if carried_out else None}


def _lines(told: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.operations.wiring.run_settings import Vanished

    when, span, now = report.when, report.span, told["now"]
    yield told["identity"]
    if pause := told["paused"]:
        yield f"  PAUSED by {pause['by']} since {when(pause['at'])}: {pause['reason']}"
    if refused := told["archive_refused"]:
        yield f"  REFUSED: {refused}"
    if others := told["vanished"]:
        found = Vanished(others["jobs"], others["assets"])
        yield f"  WARNING: in the run of {when(others['at'])} {found.words()}"
    for run in told["under_way"]:
        age = span(max(0, now - run["at"]))
        yield f"  under way: {run['mode'].replace('_', ' ')}, {run['words']}, {age} ago"
    listing = told["listing"]
    if listing["full_at"] is None:
        yield f"  listing: no full listing yet; {listing['jobs']:,} jobs known so far"
    else:
        old = (
            " (the next run lists all again)" if listing["age_s"] >= listing["full_every_s"] else ""
        )
        yield (
            f"  listing: {listing['jobs']:,} jobs known, all listed "
            f"{span(max(0, listing['age_s']))} ago{old}"
        )
    yield from _whose(told)
    yield from _due(told["last_plan"], now)
    yield f"  budget: {report.stands(told['budget'], now=now)}"
    if (outlook := (told["last_plan"] or {}).get("budget")) and told["last_plan"]["left"] != 0:
        began = told["last_plan"]["as_of"]
        lines = [*report.needed(outlook, allowed=told["budget"]["now"], now=began)]
        lines += [
            f"Warning: {line}" if is_warning else line
            for line, is_warning in report.inflow(outlook)
        ]
        yield from (f"    {line}" for line in lines)
    yield from _delete_path(told["delete_job_path"])
    if told["local_holds"] is None:
        yield (
            "  holds: the mirror in the archive cannot be read, so everything is held: see hold "
            "list"
        )
    elif told["local_holds"]:
        yield f"  holds: {report.counted(told['local_holds'], 'local hold')}"
    for approval in told["approvals"]:
        most = f" for at most {approval['max_jobs']:,} jobs" if approval["max_jobs"] else ""
        yield (
            f"  approved by {approval['by']}: {', '.join(approval['lifts'])}{most}, until "
            f"{when(approval['until'])}"
        )
    if told["retries"]:
        yield "  tried again after a failure:"
        yield from (f"    {line}" for line in report.retry_lines(told["retries"], now=now))
    if told["open_intents"]:
        yield (
            f"  open: {len(told['open_intents']):,} writes whose outcome is not known; the next "
            "executing run asks"
        )
    yield _next_run(told["daemon"])
    yield from _last_runs(told)


def _last_runs(told: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report

    yield "  last runs:" if told["last_runs"] else "  last runs: none"
    going_on = {run["run_id"] for run in told["under_way"]}
    for run in told["last_runs"]:
        yield f"    {report.when(run['started_at'])}  {_run_words(run, going_on=going_on)}"


def _delete_path(told: dict[str, Any]) -> Iterator[str]:
    """Which address deletes jobs; nothing before a first one is gone for certain."""
    from sauce_janitor import report

    if worked := told["worked"]:
        at = report.when(worked["at"])
        yield (
            f"  jobs are deleted by: {worked['address']}, worked {at} (delete_job_path: "
            f"{told['configured']})"
        )


def _whose(told: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.operations.wiring.run_settings import LATER

    owners = told["owners"]
    if owners and owners["how"]:
        group = owners.get("group", "organization")  # runs of before know organizations alone
        yield f"  owners: {len(owners['names']):,}, the {group}, {owners['how']}"
    for gap in (owners or {}).get("gaps", ()):
        yield f"  owners: not everybody may be among them: {gap}"
    for left in told["left_out"]:
        yield (
            f"  left out by the last run: {left['owner']}: {left['why']}; {left['jobs']:,} known "
            "jobs stay"
        )
    for aside in told["set_aside"]:
        rows = "1 row" if aside["count"] == 1 else f"{aside['count']:,} rows"
        yield (
            f"  set aside: {rows} of the job list of {aside['owner']} cannot be read; each run "
            "asks again"
        )
        for row in aside["rows"]:
            named = f"job {row['job_id']}" if row["job_id"] else f"row {row['place']}"
            yield f"    {named}, since {report.when(row['since'])}: {report.clean(row['why'])}"
    for owner in told["unconfirmed"]:
        yield (
            f"  first listing of {owner}: empty or not all readable; it counts when a run finds "
            f"the same {LATER}"
        )


def _due(plan: dict[str, Any] | None, now: int) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.model.jobs import Action

    if plan is None:
        yield "  due: no plan yet"
        return
    ago = report.span(max(0, now - plan["as_of"]))
    if plan["left"] is None:
        words = ", ".join(
            f"{plan['counts'].get(action.value, 0):,} {said}"
            for action, said in report.ACTIONS.items()
        )
        yield f"  due by the plan made {ago} ago: {words}"
        yield from _due_by_policy(plan)
    else:
        # What a run has carried out is not due any more; of the rest only the number of jobs is
        # known before the next plan.
        left = f"{report.counted(plan['left'], 'job')} left" if plan["left"] else "nothing left"
        yield f"  due: {left} of the plan carried out {ago} ago"
    for action, waiting in plan["announced"].items():
        words = report.ACTIONS[Action(action)]
        yield (
            f"    announced: {waiting['jobs']:,} {words}, due from "
            f"{report.when(waiting['first_at'])}"
        )
    if plan["limits_broken"]:
        yield f"    limits broken: {', '.join(sorted(set(plan['limits_broken'])))}"
    if plan["expiring_72h"]:
        yield (
            "    to archive before Sauce Labs purges it: the assets of "
            f"{report.counted(plan['expiring_24h'], 'job')} within 24 h, of "
            f"{plan['expiring_72h']:,} within 72 h"
        )


def _due_by_policy(plan: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.model.jobs import Action

    if lost := report.unstored_words(plan.get("effects", {})):
        yield f"    destroyed without a copy: {lost}"
    for policy, counts in plan["by_policy"].items():
        yield f"    {policy}: " + ", ".join(
            f"{n:,} {report.ACTIONS[Action(action)]}" for action, n in counts.items()
        )


def _run_words(run: dict[str, Any], *, going_on: set[str]) -> str:
    result = run["result"] or ("going on" if run["run_id"] in going_on else "going on, or killed")
    parts = [run["mode"].replace("_", " "), result]
    parts += [
        f"{name.replace('_', ' ')} {number:,}" for name, number in (run["outcomes"] or {}).items()
    ]
    parts += [f"{run['left']:,} left"] if run["left"] else []
    waiting = sum((run["waiting"] or {}).values())
    parts += [f"{waiting:,} waiting for their next try"] if waiting else []
    return ", ".join([*parts, *(run[key] for key in ("halted", "error") if run[key])])


@click.command()
@click.argument("job_id", metavar="[JOB]", required=False)
@_ACCOUNT
@_FORMAT
@click.pass_obj
def prove(session: Session, /, job_id: str | None, accounts: tuple[str, ...], form: str) -> int:
    """Prove, for all jobs or for JOB, that every deletion has its receipt and every archived byte
    its hash.

    Exits with 6 if the archive lacks what the journal says it has. Names what cannot be proven.
    """
    from sauce_janitor import report
    from sauce_janitor.archive import SENTINEL, Catalogue
    from sauce_janitor.cli import known_jobs as known
    from sauce_janitor.cli.job_lookup import known_ids
    from sauce_janitor.cli.options import job_reference_of
    from sauce_janitor.operations import prove as proving

    config = session.load()
    names = [account.name for account in _wanted(config, accounts)]
    job = None if job_id is None else known_ids(config, (job_reference_of(job_id),), names)[0]
    path = config.archive.path
    with ExitStack() as stack:
        state = stack.enter_context(known.look(config))
        uuid = state.identity.archive_uuid(str(path))
        catalogue = None
        if uuid is not None or (path / SENTINEL).exists():
            catalogue = stack.enter_context(Catalogue.open(path, known_uuid=uuid))
        found = proving.prove(state, catalogue, names, job)
    if job and not (
        found.archived or found.deletions or found.jobs or found.already_gone or found.in_doubt
    ):
        raise ConfigError(f"job {job} is neither in the journal nor in the archive")
    if form == "json":
        terminal.echo(report.json_text(asdict(found)))
    else:
        for finding in found.findings:
            terminal.echo(f"Found: {report.clean(finding)}")
        for line in proving.lines_of(found):
            terminal.echo(line)
    return FOUND_SOMETHING if found.findings else 0
