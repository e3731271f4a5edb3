"""The messages to people that a run causes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator

from sauce_janitor.config import Config, Webhook
from sauce_janitor.counts import counted
from sauce_janitor.errors import JanitorError, LeaseError, RefusedError, StoppedError
from sauce_janitor.execute import Execution
from sauce_janitor.notify import Notification, WebhookTarget
from sauce_janitor.operations.wiring.run_settings import Result

_WORDS = {"delete_assets": "deletes of assets", "delete_job": "deletes of jobs"}


def of_result(result: Result, *, at: int) -> Iterator[Notification]:
    """Yield the messages of a run that reached its end. `at` is epoch seconds."""
    account, plan, head = result.account.name, result.plan, result.head
    execution = result.execution
    # A dry run announces nothing: no grace starts by it.
    if execution is not None and any(waiting["jobs"] for waiting in head.announced.values()):
        waits = [
            f"{waiting['jobs']:,} {_WORDS.get(action, action)}"
            for action, waiting in head.announced.items()
            if waiting["jobs"]
        ]
        text = (
            f"announced: {', '.join(waits)}, after their grace. A hold or another policy saves"
            " a job"
        )
        yield Notification(
            "announced", account, text, at, head.policy_digest, {"announced": dict(head.announced)}
        )
    late = {
        name: {blocker.value: jobs for blocker, jobs in each.jobs.items()}
        for name, each in plan.late.items()
    }
    late = {name: blocked for name, blocked in late.items() if blocked}
    if late:
        words = [
            f"{name}: {sum(blocked.values()):,} ({', '.join(sorted(blocked))})"
            for name, blocked in late.items()
        ]
        # Without the numbers: the same deadline with one job more is the same message.
        same = repr(sorted((name, sorted(blocked)) for name, blocked in late.items()))
        yield Notification(
            "deadline",
            account,
            f"jobs are past a deadline: {'; '.join(words)}",
            at,
            same,
            {"overdue": late},
        )
    if plan.expiring_72h_jobs:
        text = (
            "Sauce Labs will purge assets that should be archived first: of"
            f" {counted(plan.expiring_24h_jobs, 'job')} within 24 h, of"
            f" {counted(plan.expiring_72h_jobs, 'job')} within 72 h"
        )
        details = {"within_24h": plan.expiring_24h_jobs, "within_72h": plan.expiring_72h_jobs}
        yield Notification("purge", account, text, at, str(bool(plan.expiring_24h_jobs)), details)
    if execution is not None and not result.complete:
        yield _of_incomplete(account, execution, result, at)


def _of_incomplete(account: str, execution: Execution, result: Result, at: int) -> Notification:
    phrases = [f"{counted(len(execution.failures), 'action')} failed"] if execution.failures else []
    if waiting := sum(execution.waiting.values()):
        wait = "waits for its" if waiting == 1 else "wait for their"
        phrases.append(f"{counted(waiting, 'job')} that failed before {wait} next try")
    if execution.halted is not None:
        phrases.append(f"the run was cut short ({execution.halted.detail})")
    if result.recovery.open:
        have = "has" if result.recovery.open == 1 else "have"
        phrases.append(f"{counted(result.recovery.open, 'write')} {have} an unknown result")
    first = f". The first: {execution.failures[0].detail}" if execution.failures else ""
    what = ", ".join(phrases) or "something is left"
    text = f"the run is not complete: {what}{first}"
    details = {
        "failures": len(execution.failures),
        "left": execution.left,
        "open": result.recovery.open,
    }
    # A job that fails in one run and waits in the next one causes one message, not two.
    fails = bool(execution.failures or waiting)
    cause = execution.halted.why.value if execution.halted else fails
    return Notification("failed", account, text, at, f"incomplete:{cause}", details)


def of_error(account: str, error: BaseException, *, at: int) -> Iterator[Notification]:
    """Yield the message of a run that ended with an error; nothing when it was stopped, or another
    run was active.
    """
    # Nothing is wrong then, and the next run does the work.
    if isinstance(error, StoppedError | LeaseError):
        return
    text = str(error) if isinstance(error, JanitorError) else f"a bug: {type(error).__name__}"
    first, kind = text.partition("\n")[0], type(error).__name__
    if isinstance(error, RefusedError):
        yield Notification(
            "refused",
            account,
            f"refused, nothing was changed: {text}",
            at,
            f"{kind}:{_shape(first)}",
        )
    else:
        yield Notification(
            "failed", account, f"the run failed: {first}", at, f"{kind}:{_shape(first)}"
        )


def _shape(text: str) -> str:
    """Return a sentence without its numbers: two with the same shape are the same message."""
    return re.sub(r"[0-9][0-9,.:-]*", "#", text)


def hooks(config: Config) -> list[WebhookTarget]:
    """Return the webhooks of a configuration; their addresses are read when they are needed."""
    return [WebhookTarget(_address(hook), hook.on) for hook in config.webhooks]


def _address(hook: Webhook) -> Callable[[], str]:
    return lambda: hook.url.resolve(os.environ).get_secret_value()
