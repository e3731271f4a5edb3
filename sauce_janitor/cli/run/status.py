"""`status`: the last runs, what is due, and what failed. Sends nothing to Sauce Labs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import ACCOUNTS, FORMAT, policies_option
from sauce_janitor.cli.run.account_status import (
    STATUS,
    AccountStatus,
    ListingStatus,
    NextRun,
    OpenWrite,
    SharingStatus,
)
from sauce_janitor.errors import StateError
from sauce_janitor.json_output import to_json

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config
    from sauce_janitor.daemon.heartbeat import Heartbeat
    from sauce_janitor.model.policies import Approval
    from sauce_janitor.state import QueueStatus, RunRecord, State

_LAST_RUNS = 5
"""How many runs are shown."""
_RUNS_SEARCHED = 50
"""How many runs are searched for the last plan and the last listing."""
_NO_LISTING: Mapping[str, Any] = {
    "owners": None,
    "left_out": [],
    "set_aside": [],
    "unconfirmed": [],
}
"""What an account shows that was never listed."""


@click.command()
@ACCOUNTS
@policies_option("has due")
@FORMAT
@click.pass_obj
def status(
    session: Session, /, accounts: tuple[str, ...], policies: tuple[str, ...], form: str
) -> None:
    """Show the last runs, what is due by the last plan, the listing, holds, retries, changes of
    which the result is unknown, and the workers that share the state.
    """
    from sauce_janitor import report
    from sauce_janitor.cli import known_jobs
    from sauce_janitor.cli.run.status_text import status_lines, worker_lines

    config = session.load()
    with ExitStack() as stack:
        state = stack.enter_context(known_jobs.open_to_read(config))
        documents = [
            to_json(_status_of(config, state, account, policies, stack), STATUS)
            for account in known_jobs.select_accounts(config, accounts)
        ]
    if form == "json":
        json_output.echo(documents)
        return
    for each in documents:
        try:
            lines = list(status_lines(each))
        # A run's summary is JSON of no fixed form: a damaged one can raise any of these.
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise StateError(
                f"the state {config.state} is damaged: its summary of the last runs cannot be read "
                f"({error!r}). The next run writes a new one"
            ) from error
        for line in lines:
            terminal.echo(report.clean(line))
    # Once: it is the same for all accounts.
    if documents and (sharing := documents[0]["sharing"]):
        for line in worker_lines(sharing):
            terminal.echo(report.clean(line))


def _status_of(
    config: Config, state: State, account: Account, policies: tuple[str, ...], stack: ExitStack
) -> AccountStatus:
    """Return the status of an account."""
    from sauce_janitor.model.job_retries import grouped
    from sauce_janitor.operations.adoption import why_refused
    from sauce_janitor.operations.steps.budget_left import standing
    from sauce_janitor.operations.steps.delete_addresses import worked_last
    from sauce_janitor.operations.wiring.pauses import Pauses
    from sauce_janitor.operations.wiring.progress import under_way
    from sauce_janitor.operations.wiring.vanished import last_traces

    name, now = account.name, int(time.time())
    beats, queue = _daemons(state, now)
    runs = state.runs.last(name, limit=_RUNS_SEARCHED)
    # A run that failed early has neither a plan nor owners: an older one has the last known.
    planned = next((run for run in runs if "plan" in run.summary), None)
    listing = next((run.summary for run in runs if "owners" in run.summary), _NO_LISTING)
    budget_left = next(
        (run.summary["budget_left"] for run in runs if "budget_left" in run.summary), None
    )
    budget = standing(account, state.accounts.all(), state, now=now)
    return AccountStatus(
        account=name,
        identity=account.identity(),
        now=now,
        paused=Pauses(state, config.archive.location).paused(),
        archive_refused=why_refused(config.archive, state, name),
        vanished=last_traces(state, name, now=now),
        under_way=under_way(state.notes, name, now=now),
        last_runs=runs[:_LAST_RUNS],
        last_plan=None if planned is None else _plan(planned, policies),
        owners=listing["owners"],
        left_out=listing["left_out"],
        # Runs of older versions have no such keys.
        set_aside=listing.get("set_aside", []),
        unconfirmed=listing.get("unconfirmed", []),
        listing=_listing(state, account, listing, now),
        budget={**budget, "left_after_last_run": budget_left},
        open_intents=_open_intents(state, name),
        configured_path=account.delete_job_path,
        worked_path=worked_last(name, state.notes),
        local_holds=_count_holds(config, state, name, stack, now),
        retries=grouped(state.retries.of(name).values()),
        approvals=_approvals(config, state, name, now),
        policy_digest=config.policy_digest(name),
        daemon=_next_run(config, name, beats, now),
        sharing=_sharing(name, beats, queue),
    )


def _listing(state: State, account: Account, summary: Mapping[str, Any], now: int) -> ListingStatus:
    # One owner who cannot be listed must not hide how old the listing of the others is.
    left_out = {left["owner"] for left in summary["left_out"]}
    names = summary["owners"]["names"] if summary["owners"] else []
    listed = [name for name in names if name not in left_out]
    full_at = state.jobs.full_at(account.name, listed or None)
    return ListingStatus(
        jobs=state.jobs.count(account.name),
        full_at=full_at,
        age_s=None if full_at is None else now - full_at,
        full_every_s=account.full_every_s,
    )


def _open_intents(state: State, account: str) -> list[OpenWrite]:
    """Return the writes whose result is unknown: those of policies, then those by hand."""
    from sauce_janitor.model.job_changes import BY_HAND

    found = [
        OpenWrite(each.job_id, each.action, each.policy, each.sent_at)
        for each in state.journal.unresolved(account)
    ]
    found += [
        OpenWrite(each.job_id, each.action, BY_HAND, each.sent_at)
        for each in state.manual_actions.open(account)
    ]
    return found


def _count_holds(
    config: Config, state: State, account: str, stack: ExitStack, now: int
) -> int | None:
    """Return how many local holds are in force, or None if the archive's mirror is unreadable."""
    from sauce_janitor.errors import ArchiveError
    from sauce_janitor.operations.holds import open_holding

    try:
        return len(open_holding(config.archive, account, state, stack=stack).known(at=now))
    # `status` works without the archive, and says that its holds cannot be read.
    except ArchiveError:
        return None


def _approvals(config: Config, state: State, account: str, now: int) -> list[Approval]:
    """Return the approvals in force for the present policies: the configuration's first."""
    digest = config.policy_digest(account)
    approvals = [each for each in config.approvals(account) if each.is_in_force(digest, at=now)]
    return [*approvals, *state.approvals.in_force(account, digest, at=now)]


def _daemons(state: State, now: int) -> tuple[tuple[Heartbeat, ...], QueueStatus | None]:
    """Return the daemons that are alive, and their queue; None for a state in a file."""
    from sauce_janitor.daemon import heartbeat

    if (queue := state.queue()) is None:
        return heartbeat.alive(state.notes, now=now), None
    found = queue.look()
    # The notes on a server have its time.
    beats = heartbeat.alive(state.notes, now=found.now)
    # Dry runs have a queue of their own.
    if heartbeat.mode_of(beats) == heartbeat.DRY_RUN:
        found = queue.look(of_dry_runs=True)
    return beats, found


def _next_run(config: Config, account: str, beats: tuple[Heartbeat, ...], now: int) -> NextRun:
    from sauce_janitor.daemon import heartbeat
    from sauce_janitor.daemon.schedule import RunTimes

    timetable = RunTimes(config.schedule(account), config.timezone)
    # For an account that no running daemon has loaded.
    by_schedule = timetable.due_after(now)
    blackout = timetable.dark_at(now)
    # One of them that executes is enough. Dry runs have times of their own then.
    mode = heartbeat.mode_of(beats)
    of_mode = [beat for beat in beats if beat.mode == mode]
    return NextRun(
        running=bool(beats),
        mode=mode,
        next_run_at=heartbeat.next_run(of_mode, account, by_schedule),
        blackout_until=None if blackout is None else blackout.ends_at,
        blackout_reason=None if blackout is None else blackout.reason,
    )


def _sharing(
    account: str, beats: tuple[Heartbeat, ...], queue: QueueStatus | None
) -> SharingStatus | None:
    """Return the workers, the queue and the account's lease; None for a state in a file."""
    if queue is None:
        return None
    return SharingStatus(
        workers=beats,
        waiting=queue.waiting,
        running=queue.running,
        wait_s=int(queue.wait_s),
        lease=next((lease for lease in queue.leases if lease.account == account), None),
    )


def _plan(run: RunRecord, policies: tuple[str, ...]) -> dict[str, Any]:
    plan = run.summary["plan"]
    own = {
        name: counts
        for name, counts in plan["by_policy"].items()
        if not policies or name in policies
    }
    # Only a run that came to its end knows how many jobs of its plan are left.
    carried_out = (
        run.mode == "execute" and run.result in ("done", "incomplete") and "left" in run.summary
    )
    return {**plan, "by_policy": own, "left": run.summary["left"] if carried_out else None}
