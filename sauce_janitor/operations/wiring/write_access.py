"""Write access: the right to change one account, and the one order in which every command takes it.

A run, an offboarding (with or without the bulk call), a delete of one job's assets, a pruning and a
change by hand all go through `WriteAccess.open`. A dry run has None in place of the access, and so
nothing with which it could change anything. `write_access` alone asks whether an order is one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, ExitStack
from typing import ClassVar, Generic, TypeVar

from sauce_janitor.config import Account
from sauce_janitor.facade import import_late_modules
from sauce_janitor.operations.wiring.pauses import Pauses
from sauce_janitor.operations.wiring.run_settings import ChangeOrder, RunContext

HeldT = TypeVar("HeldT")
PortsT = TypeVar("PortsT")
RecoveredT = TypeVar("RecoveredT")


class AccessSteps(ABC, Generic[HeldT, PortsT, RecoveredT]):
    """What a kind of command does at the steps that differ; `WriteAccess.open` calls them in its
    order.
    """

    refused: ClassVar[str] = "changed"
    """What was not done to anything, in the message of a refusal while paused."""
    checks_state: ClassVar[bool] = True
    """Whether the command relies on what the state remembers, such as holds and intents."""

    def check_account(self) -> None:
        """Raise RefusedError where the state must know the account first. By default it need
        not.
        """

    @abstractmethod
    def exclude(self) -> AbstractContextManager[HeldT]:
        """Return what keeps other commands out while it is held. Entering raises LeaseError when
        another command holds it.
        """

    def open_archive(self) -> None:
        """Open the archive and take its lease. By default the command does not touch it."""

    @abstractmethod
    def ports(self, held: HeldT, /) -> PortsT:
        """Return what changes something: the gate, or what removes copies."""

    @abstractmethod
    def recover(self, ports: PortsT, /) -> RecoveredT:
        """Finish or settle what earlier commands left unfinished, and return the result."""


class WriteAccess:
    """The right to change one account. Nothing is taken before `open`."""

    def __init__(self, account: str, context: RunContext) -> None:
        self._state = context.state
        self.pauses = Pauses(context.state, context.config.archive.location)
        self.account = account

    def open(
        self, stack: ExitStack, steps: AccessSteps[HeldT, PortsT, RecoveredT]
    ) -> tuple[PortsT, RecoveredT]:
        """Take what the command needs, until `stack` closes. Return what changes something, and
        what was recovered.

        Raise RefusedError while paused, LeaseError when another command works on the account.
        """
        # Before the lease, so that a paused command does not even take it.
        self.pauses.refuse(steps.refused)
        import_late_modules()
        steps.check_account()
        held = stack.enter_context(steps.exclude())
        # A damaged state could forget a hold or an intent. Under the lease, so that nobody else
        # writes what is being checked.
        if steps.checks_state:
            self._state.check_integrity()
        # After the lease: the archive's lease is taken by whoever has the account's.
        steps.open_archive()
        ports = steps.ports(held)
        # Before anything new is begun: an intent without an outcome may be about the same job.
        return ports, steps.recover(ports)


def write_access(account: Account, context: RunContext, order: ChangeOrder) -> WriteAccess | None:
    """Return the access that the order asks for; None for a dry run. Nothing else asks."""
    return WriteAccess(account.name, context) if order.execute else None
