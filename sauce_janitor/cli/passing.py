"""What `plan`, `run` and `apply` share: the configuration and state opened, each account passed over once, the result told."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import click
import structlog

from sauce_janitor import approving, logs, planfile, report
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.progress import Shown
from sauce_janitor.config import Account, Config, load
from sauce_janitor.errors import ConfigError, JanitorError, RefusedError
from sauce_janitor.execute import Execution
from sauce_janitor.metrics import Metrics
from sauce_janitor.pipeline import Order, Result, Tools, run
from sauce_janitor.retention.costs import seconds_needed
from sauce_janitor.retention.deciding import decide
from sauce_janitor.retention.model import Action, Decision, Job, Verdict
from sauce_janitor.state import State

SOMETHING_TO_DO = 7
_EXAMPLES = 2


@dataclass(slots=True)
class _Signals:
    """The signal that asked this command to end, if any."""

    stop: threading.Event
    number: int | None = None


@contextmanager
def _signals() -> Iterator[_Signals]:
    """SIGINT and SIGTERM set the stop event; a second one, of either, ends the process at once, which is always safe."""
    caught = _Signals(threading.Event())

    def catch(number: int, _frame: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_DFL)
        caught.number = number
        caught.stop.set()

    before = {number: signal.signal(number, catch) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True, slots=True)
class _Desk:
    """One command's configuration, state, tools and words."""

    session: Session
    tools: Tools
    signals: _Signals
    shown: Shown

    @property
    def config(self) -> Config:
        return self.tools.config


@contextmanager
def _desk(session: Session) -> Iterator[_Desk]:
    config = load(session.config_path)
    watched = sys.stderr.isatty() and session.log_format != "json"
    level = session.log_level or ("warning" if watched else "info")
    logs.configure(session.log_format, level, color=session.color)
    for warning in config.warnings:
        structlog.get_logger().warning("config.warning", text=str(warning))
    metrics = Metrics()
    with (
        _signals() as signals,
        State.open(config.state) as state,
        Shown(color=session.color, moving=watched and level != "debug") as shown,
    ):
        metrics.restore((*key, value) for key, value in state.counters.all().items())
        tools = Tools(config, state, metrics, shown, signals.stop)
        try:
            yield _Desk(session, tools, signals, shown)
        finally:
            state.counters.add({(name, labels): growth for name, labels, growth in metrics.added()})


def _accounts(config: Config, wanted: tuple[str, ...]) -> list[Account]:
    known = {account.name for account in config.accounts}
    for name in wanted:
        if name not in known:
            raise ConfigError(f"there is no account {name!r} in {config.file}; there are: {', '.join(sorted(known))}")
    return [account for account in config.accounts if not wanted or account.name in wanted]


def _policies(config: Config, wanted: tuple[str, ...]) -> frozenset[str]:
    known = {policy.name for account in config.accounts for policy in config.rules(account.name).policies}
    for name in wanted:
        if name not in known:
            raise ConfigError(f"there is no policy {name!r} in {config.file}; there are: {', '.join(sorted(known))}")
    return frozenset(wanted)


def _as_of(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise click.UsageError(f"--as-of {text!r} is no time; write it like 2026-06-01T00:00:00Z") from wrong
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp())


def _order(desk: _Desk, options: Mapping[str, Any], *, execute: bool) -> tuple[Order, list[Account]]:
    accounts = _accounts(desk.config, options["accounts"])
    reviewed = None
    if file := options.get("reviewed"):
        reviewed = {str(plan.get("account")): plan for plan in planfile.read(file)}
        if foreign := sorted(reviewed.keys() - {account.name for account in desk.config.accounts}):
            raise RefusedError(
                f"{file}: the plan is for account {', '.join(foreign)}, which {desk.config.file} does not have"
            )
        accounts = [account for account in accounts if account.name in reviewed]
    order = Order(
        execute=execute,
        as_of=_as_of(options.get("as_of")),
        offline=bool(options.get("offline")),
        accept_loss=bool(options.get("accept_loss")),
        policies=_policies(desk.config, options["policies"]),
        reviewed=reviewed,
    )
    return order, accounts


# --- looking -------------------------------------------------------------------------------------------------------------


def look(session: Session, options: Mapping[str, Any]) -> int:
    """The dry run of every account; the exit code."""
    with _desk(session) as desk:
        order, accounts = _order(desk, options, execute=False)
        results, code = _pass_over(desk, order, accounts)
        if desk.signals.number is not None:
            return 128 + desk.signals.number
        if out := options.get("out"):
            planfile.write([_sealed(desk, result, options) for result in results], out, secret=_secret(desk))
        with desk.shown.hidden():
            _show(desk, results, options)
    if code:
        return code
    acts = any(result.plan.job_count for result in results)
    return SOMETHING_TO_DO if acts and options.get("detailed_exitcode") else 0


def _pass_over(
    desk: _Desk, order: Order, accounts: list[Account], then: Callable[[Result], int] = lambda _: 0
) -> tuple[list[Result], int]:
    """Every account, one after the other; one that fails does not stop the others. The first bad exit code counts.

    But that nothing was touched (3) is only said when it is true of all.
    """
    results: list[Result] = []
    codes: list[int] = []
    for account in accounts:
        if desk.tools.stop.is_set():
            break
        try:
            result = run(account, desk.tools, order)
        except JanitorError as wrong:
            if len(accounts) == 1 and not desk.tools.stop.is_set():
                raise
            if not desk.tools.stop.is_set():
                click.echo(f"sauce-janitor: {account.name}: {wrong}", err=True)
            codes.append(wrong.exit_code)
            continue
        results.append(result)
        codes.append(then(result))
    code = next((code for code in codes if code), 0)
    touched = any(result.execution is not None for result in results)
    return results, JanitorError.exit_code if touched and code == RefusedError.exit_code else code


def _secret(desk: _Desk) -> bytes:
    return desk.tools.state.identity.secret


def _show(desk: _Desk, results: list[Result], options: Mapping[str, Any]) -> None:
    form = options["form"]
    if form == "json":
        plans = [_sealed(desk, result, options) for result in results]
        report.write_all(sys.stdout, planfile.text(plans, secret=_secret(desk)))
        return
    if form == "csv":
        rows = ({"account": result.account.name, **row} for result in results for row in _actions(result))
        report.write_all(sys.stdout, report.csv_lines(rows))
        return
    out = report.console(color=desk.session.color)
    for result in results:
        about = _about(desk, result)
        if form == "markdown":
            report.write_all(sys.stdout, report.markdown(result.plan, about))
        else:
            report.show_plan(out, result.plan, about)
            if options.get("everything"):
                _show_kept(desk, result)
    if path := options.get("out"):
        click.echo(f"Written to {path}; carry it out with: sauce-janitor apply {path}", err=True)
    click.echo(report.last_line({action: sum(result.plan.totals[action] for result in results) for action in Action}))


def _show_kept(desk: _Desk, result: Result) -> None:
    for row in _kept(desk, result):
        click.echo(f"{row['job_id']}  kept  {report.clean('; '.join(row['reasons']))}")


def _about(desk: _Desk, result: Result) -> report.About:
    budget = result.account.budget
    seconds = seconds_needed(
        result.head.requests_needed,
        per_second=result.rates[0],
        per_hour=result.rates[1],
        left_this_hour=result.budget_left,
    )
    words = f"{result.rates[1]:,}/h" if result.rates[1] else f"{result.rates[0] or budget.burst:g}/s"
    rows = sum(listing.rows for listing in result.listings)
    listing = f" ({rows:,} listed just now)" if result.listings else " (nothing was asked)"
    identity = f"{result.account.name}: {result.head.username} at {result.head.base_url}"
    ways_out = approving.ways_out(result.plan, result.account.name, result.head.policy_digest, desk.config.timezone)
    return report.About(
        identity, listing, result.head.requests_needed, seconds, words, _examples(desk, result), tuple(ways_out)
    )


def _examples(desk: _Desk, result: Result) -> list[tuple[Job | None, Decision]]:
    """One or two jobs for each policy and action, as many as the plan has kinds."""
    wanted = dict.fromkeys(result.plan.counts, _EXAMPLES)
    found: list[tuple[Job | None, Decision]] = []
    with desk.tools.state.jobs.snapshot(result.query) as snapshot:
        for planned in result.plan.jobs():
            if not any(wanted.values()):
                break
            for decision in planned.actions:
                if wanted.get((decision.policy, decision.action)):
                    wanted[decision.policy, decision.action] -= 1
                    record = snapshot.record(planned.job_id)
                    found.append((record.job if record else None, decision))
    order = list(Action)
    return sorted(found, key=lambda each: (order.index(each[1].action), each[1].policy or ""))


def _actions(result: Result) -> Iterator[dict[str, Any]]:
    for planned in result.plan.jobs():
        for decision in planned.actions:
            row = report.action_row(planned.job_id, planned.owner, decision)
            yield {**row, "fingerprint": planned.fingerprint}


def _kept(desk: _Desk, result: Result) -> Iterator[dict[str, Any]]:
    rules = desk.config.rules(result.account.name)
    with desk.tools.state.jobs.snapshot(result.query) as snapshot:
        for record, decisions in decide(rules, snapshot.records, as_of=result.head.as_of):
            if all(decision.verdict is Verdict.KEEP for decision in decisions):
                yield report.kept_row(record.job.id, decisions)


def _sealed(desk: _Desk, result: Result, options: Mapping[str, Any]) -> planfile.SealedPlan:
    kept = _kept(desk, result) if options.get("everything") else None
    return planfile.SealedPlan(result.head, _actions(result), kept)


# --- carrying out --------------------------------------------------------------------------------------------------------


def carry_out(session: Session, options: Mapping[str, Any]) -> int:
    """Every account's plan, carried out; the exit code."""
    with _desk(session) as desk:
        order, accounts = _order(desk, options, execute=True)
        out = report.console(color=session.color)

        def show(result: Result) -> None:
            if options["form"] == "table" and not options.get("end_only"):
                with desk.shown.hidden():
                    report.show_plan(out, result.plan, _about(desk, result))

        def tell(result: Result) -> int:
            if options["form"] == "table":
                with desk.shown.hidden():
                    report.show_end(out, result.account.name, _ended(result))
            return _code(result)

        showing = replace(desk, tools=replace(desk.tools, show=show))
        results, code = _pass_over(showing, order, accounts, tell)
        desk.shown.end()
        if options["form"] == "json":
            click.echo(report.json_text([_summary(result) for result in results]))
        else:
            totals = {action: sum(result.plan.totals[action] for result in results) for action in Action}
            click.echo(report.last_line(totals))
        if desk.signals.number is not None:
            return 128 + desk.signals.number
    return code


def _code(result: Result) -> int:
    execution = result.execution
    if execution is None or result.complete:
        return 0
    code = JanitorError.exit_code if execution.error is None else execution.error.exit_code
    return JanitorError.exit_code if code == RefusedError.exit_code else code  # refused half-way: something was touched


def _ended(result: Result) -> report.Ended:
    execution = result.execution or Execution()
    counts: dict[tuple[Action, str], int] = {}
    for (_, action, outcome), number in execution.counts.items():
        counts[action, outcome.value] = counts.get((action, outcome.value), 0) + number
    recovery = result.recovery
    settled = recovery.confirmed + recovery.failed
    recovered = f"{settled} deletes that an earlier run began were looked up, {recovery.open} are still open"
    return report.Ended(
        counts=counts,
        archived_assets=execution.archived_assets,
        archived_bytes=execution.archived_bytes,
        reclaimed_bytes=execution.reclaimed_bytes,
        unlisted_files=execution.unlisted_files,
        left=execution.left,
        halted=execution.halted.detail if execution.halted else None,
        failures=execution.failures,
        skips={skip.value: number for skip, number in execution.skips.items()},
        recovered=recovered if settled or recovery.open else None,
    )


def _summary(result: Result) -> dict[str, Any]:
    execution, ended = result.execution or Execution(), _ended(result)
    return {
        "account": result.account.name,
        "planned": {action.value: number for action, number in result.plan.totals.items()},
        "outcomes": {f"{action.value}.{outcome}": number for (action, outcome), number in sorted(ended.counts.items())},
        "archived_bytes": execution.archived_bytes,
        "reclaimed_bytes": execution.reclaimed_bytes,
        "unlisted_files": execution.unlisted_files,
        "halted": execution.halted.why.value if execution.halted else None,
        "failures": [
            {"job_id": each.job_id, "action": each.action.value, "policy": each.policy, "detail": each.detail}
            for each in execution.failures
        ],
        "complete": result.complete,
    }
