"""The document of `status` as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_MODES = {"assets": "assets --delete", "assets_dry_run": "assets --delete, dry run"}
"""The modes of a run that need other words than their own."""
_SHORT = 60
"""A reason of so many characters is repeated."""


def status_lines(status: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of one account, of which the first is its name."""
    from sauce_janitor import report

    now = status["now"]
    yield status["identity"]
    # First what stops changes, or what may do harm.
    yield from _warning_lines(status)
    yield from _listing_lines(status["listing"])
    yield from _owner_lines(status)
    yield from _due_lines(status["last_plan"], now)
    yield from _budget_lines(status)
    yield from _delete_path_lines(status["delete_job_path"])
    yield from _hold_lines(status["local_holds"])
    for approval in status["approvals"]:
        most = (
            f" for at most {report.counted(approval['max_jobs'], 'job')}"
            if approval["max_jobs"]
            else ""
        )
        yield (
            f"  approved by {approval['by']}: {', '.join(approval['lifts'])}{most}, until "
            f"{report.when(approval['until'])}"
        )
    if status["retries"]:
        yield "  tried again after a failure:"
        yield from (f"    {line}" for line in report.retry_lines(status["retries"], now=now))
    if status["open_intents"]:
        yield (
            f"  open: {len(status['open_intents']):,} writes whose result is unknown; the next "
            "executing run looks it up"
        )
    yield _next_run_line(status["daemon"])
    if status["sharing"] and (lease := status["sharing"]["lease"]):
        yield _lease_line(lease)
    yield from _last_run_lines(status)


def _warning_lines(status: dict[str, Any]) -> Iterator[str]:
    """Yield a pause, a refusal, deletes by others, and the runs in progress."""
    from sauce_janitor.operations.wiring.vanished import Vanished
    from sauce_janitor.report import span, when

    if pause := status["paused"]:
        yield f"  PAUSED by {pause['by']} since {when(pause['at'])}: {pause['reason']}"
    if refused := status["archive_refused"]:
        yield f"  REFUSED: {refused}"
    if others := status["vanished"]:
        found = Vanished(others["jobs"], others["assets"])
        yield f"  WARNING: in the run of {when(others['at'])} {found.words()}"
    for run in status["under_way"]:
        age = span(max(0, status["now"] - run["at"]))
        yield f"  under way: {run['mode'].replace('_', ' ')}, {run['words']}, {age} ago"


def _listing_lines(listing: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report

    if listing["full_at"] is None:
        so_far = report.counted(listing["jobs"], "job")
        yield f"  listing: no full listing yet; {so_far} known so far"
        return
    is_old = listing["age_s"] >= listing["full_every_s"]
    old = " (the next run lists all again)" if is_old else ""
    # After a change of the clock, the last listing may lie in the future.
    age = report.span(max(0, listing["age_s"]))
    known = report.counted(listing["jobs"], "job")
    yield f"  listing: {known} known, all listed {age} ago{old}"


def _budget_lines(status: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report

    yield f"  budget: {report.budget_line(status['budget'], now=status['now'])}"
    plan = status["last_plan"] or {}
    outlook = plan.get("budget")
    # A plan that is carried out needs no more requests.
    if not outlook or plan["left"] == 0:
        return
    for line in report.needed_lines(outlook, allowed=status["budget"]["now"], now=plan["as_of"]):
        yield f"    {line}"
    for line, is_warning in report.inflow_lines(outlook):
        prefix = "Warning: " if is_warning else ""
        yield f"    {prefix}{line}"


def _hold_lines(count: int | None) -> Iterator[str]:
    from sauce_janitor import report

    if count is None:
        yield (
            "  holds: the mirror in the archive cannot be read, so every job is held: see "
            "`sauce-janitor hold list`"
        )
    elif count:
        yield f"  holds: {report.counted(count, 'local hold')}"


def _last_run_lines(status: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report

    yield "  last runs:" if status["last_runs"] else "  last runs: none"
    going_on = {run["run_id"] for run in status["under_way"]}
    shown: set[str] = set()
    for run in status["last_runs"]:
        yield f"    {report.when(run['started_at'])}  {_run_text(run, shown, going_on=going_on)}"


def _delete_path_lines(status: dict[str, Any]) -> Iterator[str]:
    """Yield the address that deletes jobs, once a job was certainly deleted by it."""
    from sauce_janitor import report

    if worked := status["worked"]:
        at = report.when(worked["at"])
        yield (
            f"  delete_job_path: {status['configured']}; last job deleted by address "
            f"{worked['address']}, {at}"
        )


def _owner_lines(status: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report

    owners = status["owners"]
    if owners and owners["how"]:
        # Runs of older versions knew no teams, and no key `group`.
        group = owners.get("group", "organization")
        yield f"  owners: {len(owners['names']):,}, the {group}, {owners['how']}"
    for gap in (owners or {}).get("gaps", ()):
        yield f"  owners: some may be missing: {gap}"
    for left in status["left_out"]:
        stay = "stays" if left["jobs"] == 1 else "stay"
        yield (
            f"  left out by the last run: {left['owner']}: {left['why']}; "
            f"{report.counted(left['jobs'], 'known job')} {stay}"
        )
    for aside in status["set_aside"]:
        rows = report.counted(aside["count"], "row")
        yield (
            f"  set aside: {rows} of the job list of {aside['owner']} cannot be read; each run "
            "asks again"
        )
        for row in aside["rows"]:
            named = f"job {row['job_id']}" if row["job_id"] else f"row {row['place']}"
            yield f"    {named}, since {report.when(row['since'])}: {report.clean(row['why'])}"
    for owner in status["unconfirmed"]:
        # Late: it is rare, and loads what a run works with.
        from sauce_janitor.operations.wiring.run_settings import LATER

        yield (
            f"  first listing of {owner}: empty or not all readable; it counts when a run finds "
            f"the same {LATER}"
        )


def _due_lines(plan: dict[str, Any] | None, now: int) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.model.jobs import Action

    if plan is None:
        yield "  due: no plan yet"
        return
    # After a change of the clock, the plan may lie in the future.
    ago = report.span(max(0, now - plan["as_of"]))
    if plan["left"] is None:
        counts = ", ".join(
            report.due(action, plan["counts"].get(action.value, 0)) for action in report.ACTIONS
        )
        yield f"  due by the plan made {ago} ago: {counts}"
        yield from _due_lines_by_policy(plan)
    else:
        # What a run has carried out is no longer due. Of the rest, only the number of jobs is known
        # until the next plan.
        left = f"{report.counted(plan['left'], 'job')} left" if plan["left"] else "nothing left"
        yield f"  due: {left} of the plan carried out {ago} ago"
    for action, waiting in plan["announced"].items():
        words = report.due(Action(action), waiting["jobs"])
        yield f"    announced: {words}, from {report.when(waiting['first_at'])}"
    if plan["limits_broken"]:
        yield f"    limits broken: {', '.join(sorted(set(plan['limits_broken'])))}"
    if plan["expiring_72h"]:
        yield (
            "    Sauce Labs will purge assets that should be archived first: of "
            f"{report.counted(plan['expiring_24h'], 'job')} within 24 h, of "
            f"{report.counted(plan['expiring_72h'], 'job')} within 72 h"
        )


def _due_lines_by_policy(plan: dict[str, Any]) -> Iterator[str]:
    from sauce_janitor import report
    from sauce_janitor.model.jobs import HOLD, HOLD_KEY, Action

    if lost := report.unstored_words(plan.get("effects", {})):
        yield f"    destroyed without a copy: {lost}"
    for policy, counts in plan["by_policy"].items():
        name = HOLD if policy == HOLD_KEY else policy
        yield f"    {name}: " + ", ".join(
            report.due(Action(action), number) for action, number in counts.items()
        )


def _run_text(run: dict[str, Any], shown: set[str], *, going_on: set[str]) -> str:
    from sauce_janitor import report

    # A run that is killed leaves no result. Only one that reports progress certainly runs.
    result = run["result"] or ("running" if run["run_id"] in going_on else "running, or killed")
    parts = [_MODES.get(run["mode"], run["mode"].replace("_", " ")), result]
    if outcomes := report.outcomes_text(run["outcomes"] or {}):
        parts[-1] += f" ({outcomes})"
    parts += [f"{run['left']:,} left"] if run["left"] else []
    waiting = sum((run["waiting"] or {}).values())
    parts += [f"{waiting:,} waiting for their next try"] if waiting else []
    for why in (run[name] for name in ("halted", "error") if run[name]):
        # A refusal has several lines, and is the same until somebody acts.
        parts.append("for the same reason" if why in shown and len(why) > _SHORT else why)
        shown.add(why)
    return ", ".join(parts)


def worker_lines(sharing: dict[str, Any]) -> Iterator[str]:
    """Yield the queue and the workers of a state that several share."""
    from sauce_janitor.daemon.workers import queue_words

    yield f"queue: {queue_words(**sharing['queue'])}"
    workers = sharing["workers"]
    yield f"workers: {len(workers):,}" if workers else "workers: none"
    for worker in workers:
        mode = "" if worker["mode"] == "execute" else ", a dry run"
        works_on = ", ".join(worker["works_on"]) or "nothing"
        yield f"  {worker['host']}, process {worker['pid']}{mode}: works on {works_on}"


def _lease_line(lease: dict[str, Any]) -> str:
    if not lease["held"]:
        return "  lease: free"
    return (
        f"  lease: held by {lease['holder']} on {lease['host']}, process {lease['pid']}; renewed"
        f" {max(0, int(lease['renewed_s']))} s ago"
    )


def _next_run_line(daemon: dict[str, Any]) -> str:
    from sauce_janitor import report

    blackout = daemon["blackout_until"]
    why = f" ({daemon['blackout_reason']})" if daemon["blackout_reason"] else ""
    during = f"; in a black-out until {report.when(blackout)}{why}" if blackout else ""
    # The schedule alone starts nothing: cron may, at other times.
    if not daemon["running"]:
        return (
            "  next run: serve is not running; by the schedule "
            f"{report.when(daemon['next_run_at'])}{during}"
        )
    mode = "" if daemon["mode"] == "execute" else ", a dry run"
    return f"  next run: {report.when(daemon['next_run_at'])} by serve{mode}{during}"
