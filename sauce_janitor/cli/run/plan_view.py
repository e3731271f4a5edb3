"""Dry runs: the plan as a table, JSON, CSV or markdown, and the plan file for `apply`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sauce_janitor import planfile, report, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.session import (
    CommandSession,
    open_command_session,
    plan_secret,
    read_order,
    run_accounts,
)
from sauce_janitor.errors import JanitorError, RefusedError
from sauce_janitor.model.jobs import Action, Decision, Job, Verdict
from sauce_janitor.operations.steps import approval, request_budget
from sauce_janitor.operations.steps.listing import doubts
from sauce_janitor.operations.wiring import owners
from sauce_janitor.operations.wiring.run_settings import Result
from sauce_janitor.retention.decide import decide

SOMETHING_TO_DO = 7
_EXAMPLES = 2
"""How many jobs are shown for each policy and action."""


def show_plans(session: Session, options: Mapping[str, Any]) -> int:
    """Make a dry run of every account, show the plans and return the exit code."""
    reads = bool(options.get("offline"))
    # Before the listing, which may take an hour.
    if out := options.get("out"):
        planfile.check_target(out)
    with open_command_session(session, is_run=bool(options.get("is_run")), reads=reads) as command:
        order, accounts = read_order(command, options, execute=False)
        results, code = run_accounts(
            command, order, accounts, lambda result: 0 if result.of_all else JanitorError.exit_code
        )
        # Plans of some accounts only would look like the whole plan.
        if command.signals.number is not None:
            terminal.echo("Interrupted before the plan was complete: nothing was changed", err=True)
            return 128 + command.signals.number
        # Before anything is printed: a full stdout must not cost the file.
        if out:
            planfile.write(
                [_sealed(command, result, options) for result in results],
                out,
                secret=plan_secret(command),
            )
        with command.progress.hidden():
            _show(command, results, options)
    return code or (_detailed_exit_code(results) if options.get("detailed_exitcode") else 0)


def _detailed_exit_code(results: list[Result]) -> int:
    """Return 3 if a plan breaks a limit, as a run would; 7 if there is something to do."""
    # A refused plan does nothing, so the limit counts first.
    if any(result.plan.broken for result in results):
        return RefusedError.exit_code
    return SOMETHING_TO_DO if any(result.plan.job_count for result in results) else 0


def _show(command: CommandSession, results: list[Result], options: Mapping[str, Any]) -> None:
    form = options["form"]
    if form == "json":
        # With its seal: what is saved from stdout can be applied like a file of --out.
        plans = [_sealed(command, result, options) for result in results]
        terminal.write(planfile.text(plans, secret=plan_secret(command)))
        return
    if form == "csv":
        terminal.write(report.csv_lines(_csv_rows(results)))
        return
    out = command.session.console()
    for result in results:
        context = about(command, result)
        if form == "markdown":
            terminal.write(report.markdown(result.plan, context))
        else:
            report.show_plan(out, result.plan, context)
            if options.get("everything"):
                _show_kept(command, result)
    if path := options.get("out"):
        terminal.echo(f"Written to {path}; carry it out with: sauce-janitor apply {path}", err=True)
    if hint := _dry_run_hint(options):
        terminal.echo(hint, err=True)
    totals = {action: sum(result.plan.totals[action] for result in results) for action in Action}
    terminal.echo(report.last_line(totals))


def _dry_run_hint(options: Mapping[str, Any]) -> str | None:
    """Return what to say to a person who may have expected that something is done; None after
    `plan`.
    """
    if file := options.get("reviewed"):
        return f"Dry run: nothing was changed. Carry it out with: sauce-janitor apply {file}"
    if not options.get("is_run"):
        return None
    # A plan for another time, or of what is known, cannot be carried out.
    if options.get("as_of") or options.get("offline"):
        return "Dry run: nothing was changed."
    return "Dry run: nothing was changed. Carry it out with: sauce-janitor run --execute"


def _csv_rows(results: list[Result]) -> Iterator[dict[str, Any]]:
    for result in results:
        for row in _action_rows(result):
            yield {"account": result.account.name, **row}


def _show_kept(command: CommandSession, result: Result) -> None:
    for row in _kept_rows(command, result):
        terminal.echo(f"{row['job_id']}  kept  {report.clean('; '.join(row['reasons']))}")


def about(command: CommandSession, result: Result) -> report.About:
    """Return what the report prints around a plan: account, budget, examples and warnings."""
    now = result.head.created_at
    outlook = result.outlook or request_budget.outlook(result.needs, None, now=now)
    needed = report.needed_lines(outlook, allowed=str(result.timetable.at(now)), now=now)
    budget = [*((line, False) for line in needed), *report.inflow_lines(outlook)]
    listing = "listed just now" if result.listings else "not listed now (--offline)"
    identity = f"{result.account.name}: {result.head.username} at {result.head.base_url}"
    ways_out = approval.ways_out(
        result.plan, result.account.name, result.head.policy_digest, command.config.timezone
    )
    return report.About(
        identity, listing, budget, _examples(command, result), tuple(ways_out),
        owners=owners.words(result.scope), missing=gaps(result),
        effects=result.footprint.effects if result.footprint else None,
        room=result.footprint.room if result.footprint else None,
    )  # fmt: skip


def gaps(result: Result) -> tuple[str, ...]:
    """Return why the plan may not include all jobs, and whether another tool deletes jobs.

    Each is a sentence.
    """
    others = (result.vanished.words(),) if result.vanished.are_many else ()
    return (
        *owners.missing(result.scope, result.left_out),
        *doubts(result.listings, result.withheld),
        *others,
    )


def _examples(command: CommandSession, result: Result) -> list[tuple[Job | None, Decision]]:
    """Return up to two planned jobs for each policy and action."""
    missing_examples = dict.fromkeys(result.plan.counts, _EXAMPLES)
    found: list[tuple[Job | None, Decision]] = []
    with command.context.state.jobs.snapshot(result.query) as snapshot:
        for planned in result.plan.jobs():
            # A plan may have a million jobs: stop reading when each policy has its examples.
            if not any(missing_examples.values()):
                break
            for decision in planned.actions:
                if missing_examples.get((decision.policy, decision.action)):
                    missing_examples[decision.policy, decision.action] -= 1
                    record = snapshot.record(planned.job_id)
                    found.append((record.job if record else None, decision))
    order = list(Action)
    return sorted(found, key=lambda each: (order.index(each[1].action), each[1].policy or ""))


def _action_rows(result: Result) -> Iterator[dict[str, Any]]:
    for planned in result.plan.jobs():
        for decision in planned.actions:
            row = report.action_row(planned.job_id, planned.owner, decision)
            yield {**row, "fingerprint": planned.fingerprint}


def _kept_rows(command: CommandSession, result: Result) -> Iterator[dict[str, Any]]:
    rules = command.config.rules(result.account.name)
    with command.context.state.jobs.snapshot(result.query) as snapshot:
        # The plan has the actions only. Why the other jobs stay is decided again, for the same
        # time.
        for record, decisions in decide(rules, snapshot.records, as_of=result.head.as_of):
            if all(decision.verdict is Verdict.KEEP for decision in decisions):
                yield report.kept_row(record.job.id, decisions)


def _sealed(
    command: CommandSession, result: Result, options: Mapping[str, Any]
) -> planfile.SealedPlan:
    kept = _kept_rows(command, result) if options.get("everything") else None
    return planfile.SealedPlan(result.head, _action_rows(result), kept)
