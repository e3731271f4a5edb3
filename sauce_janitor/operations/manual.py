"""One account for manual commands: a person can look at its jobs and change single ones. There is
no plan.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property

from sauce_janitor.clock import CLOCK
from sauce_janitor.config import Account
from sauce_janitor.errors import (
    AnswerError,
    ForbiddenError,
)
from sauce_janitor.execute.events import JobStopped
from sauce_janitor.execute.manual import action as manual_action
from sauce_janitor.execute.manual.action import ManualPorts, ManualResult
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.job_changes import BY_HAND
from sauce_janitor.model.jobs import Action, JobDocument, JobId, Owner, owner_name
from sauce_janitor.model.open_intents import under_way_s
from sauce_janitor.model.permits import ManualAction
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.steps.recovery import wait_for_writes
from sauce_janitor.operations.wiring.account_client import AccountClient, shared_count
from sauce_janitor.operations.wiring.account_owner import admit
from sauce_janitor.operations.wiring.clients import open_clients
from sauce_janitor.operations.wiring.owners import asked_of, resolve_owners
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.operations.wiring.write_access import AccessSteps, WriteAccess
from sauce_janitor.sauce.client import SauceReader

_PATIENCE_S = 60.0
"""How long a command waits for another one that changes a job by hand."""


class ManualSession:
    """One account, open for reading; closed with `stack`. Raise ConfigError, and RefusedError for a
    name that belonged to another account.
    """

    def __init__(self, account: Account, context: RunContext, stack: ExitStack) -> None:
        self.account, self._context, self._stack = account, context, stack
        self._run_id = f"hand-{uuid.uuid4().hex[:7]}"
        self.telemetry = Telemetry(account.name, self._run_id, context.metrics)
        stack.callback(self.telemetry.conclude)
        count = shared_count(context, run_id=self._run_id, tell=self.telemetry.budget_lost)
        self._clients = open_clients(account, context, self.telemetry.request, count, stack)
        self._client = self._clients.main
        self.username = self._client.connection.username
        admit(account, context.state, self.username)

    @cached_property
    def owners(self) -> tuple[Owner, ...]:
        """Whose jobs the configuration is about, resolved at Sauce Labs. Raise SourceError when
        that fails.
        """
        known = self._context.state.jobs.owners(self.account.name)
        people = self._client.reader.people
        found = resolve_owners(
            self.account.users,
            owner_name(self.username),
            known,
            lambda: asked_of(self.account, people, now=int(self._context.clock())),
            teams=self.account.teams,
        )
        if found.how:
            self.telemetry.resolved(found.owners, how=found.how, gaps=found.gaps)
        return found.owners

    def reader(self, owner: Owner | None = None) -> SauceReader:
        """Return the reader for this owner's jobs, None for anybody's. It has no method that
        changes anything.
        """
        return self._of(owner).reader

    def _of(self, owner: Owner | None) -> AccountClient:
        return self._client if owner is None else self._clients.of(owner)

    def find(self, job_id: JobId, owner: Owner | None = None) -> JobDocument:
        """Return the job, whoever owns it: `owner`, the owner in the last listing, or whom a
        look-up by id or by owner finds.

        Raise AnswerError when nobody has it.
        """
        known = (
            self._context.state.jobs.record(self.account.name, job_id, as_of=0)
            if owner is None
            else None
        )
        if owner is None and known is not None:
            owner = known.job.owner
        if owner is None:
            found = self.reader().jobs([job_id])
            if found is not None and job_id in found:
                owner = found[job_id].job.owner
        if owner is not None:
            return manual_action.look(self.reader(owner), owner, job_id)
        for each in self.owners:
            # Jobs of another owner may be hidden from these credentials: ask about the next one.
            with suppress(ForbiddenError):
                document = self.reader(each).job(each, job_id)
                if document is not None:
                    return document
        raise AnswerError(
            f"job {job_id} is not among the jobs of {', '.join(self.owners)} (404): it is deleted,"
            " or ran on a real device, or belongs to another user: for that, add --owner USER"
        )

    @contextmanager
    def acting(self, owner: Owner, *, by: str) -> Iterator[ManualPorts]:
        """Return what changes single jobs of this owner, one command at a time. Settle what an
        earlier command left open first.

        Raise RefusedError while paused. Not for a dry run: the command asks the person first.
        """
        with ExitStack() as stack:
            access = WriteAccess(self.account.name, self._context)
            steps = _ManualSteps(
                account=self.account.name,
                context=self._context,
                run_id=self._run_id,
                client=self._of(owner),
                owner=owner,
                by=by,
                stack=stack,
                telemetry=self.telemetry,
            )
            ports, _ = access.open(stack, steps)
            yield ports

    def told(self, action: Action | ManualAction, act: ManualResult) -> None:
        """Log the result of an action, and count a stop in the metrics."""
        if act.outcome == "nothing":
            return
        done = act.outcome == "done"
        if action is Action.STOP:
            stopped = JobStopped(act.job_id, act.owner, BY_HAND)
            self.telemetry.event(
                stopped
                if done
                else ActionFailed(act.job_id, act.owner, BY_HAND, action, act.detail)
            )
            return
        about = self.telemetry.log.bind(job_id=act.job_id, owner=act.owner, policy=BY_HAND)
        if done:
            about.info("job.updated", fields=sorted(act.changes))
        else:
            about.error("job.not_updated", outcome=act.outcome, detail=act.detail)


@dataclass(frozen=True, slots=True)
class _ManualSteps(AccessSteps[None, ManualPorts, int]):
    """The steps of a person's single changes to one owner's jobs."""

    # Each job is asked about right before its change, and no hold or plan of the state matters.
    checks_state = False

    account: str
    context: RunContext
    run_id: str
    client: AccountClient
    owner: Owner
    by: str
    stack: ExitStack
    telemetry: Telemetry

    def exclude(self) -> AbstractContextManager[None]:
        """Return the lock of manual actions. No lease is needed: a run notices in time what changes
        here (docs/explanation/safety.md).
        """
        lock = self.context.state.manual_actions.lock
        return lock(self.account, wait_s=_PATIENCE_S, stop=self.context.stop)

    def ports(self, _held: None, /) -> ManualPorts:
        """Return the gate and the journal for this owner's jobs."""
        gate = self.stack.enter_context(closing(self.client.gate()))
        journal = self.context.state.manual_actions.during(self.account, self.run_id, CLOCK.now)
        wait = self.context.stop.wait
        return ManualPorts(self.client.reader, gate, journal, CLOCK, wait, self.by)

    def recover(self, ports: ManualPorts, /) -> int:
        """Settle what earlier commands left open on this owner's jobs, once it cannot be under way
        any more; return how many stay open.
        """
        acts = self.context.state.manual_actions.open(self.account)
        mine = [act for act in acts if act.owner == self.owner]
        now = self.context.clock()
        waits = [under_way_s(act.sent_at, now) for act in mine]
        # Asked to stop: they are left for the next command.
        if not wait_for_writes(waits, self.context, self.telemetry):
            return len(mine)
        return manual_action.settle(self.client.reader, ports.journal, mine)
