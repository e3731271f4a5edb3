"""One job, one account: a run is refused where another account is about its users, too.

Loading the configuration already refuses what it shows. This checks user names from files,
organizations, and accounts of another configuration that works on the same state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from typing import Final

from sauce_janitor.config import Account
from sauce_janitor.config.shared_users import ORGANIZATION, asks_as_itself, folded, named, place
from sauce_janitor.errors import ConfigError, JanitorError, RefusedError
from sauce_janitor.model.jobs import Owner
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.wiring.account_client import AccountClient, connection, shared_count
from sauce_janitor.operations.wiring.owners import asked_of, known_owners
from sauce_janitor.operations.wiring.run_settings import Order, RunContext
from sauce_janitor.operations.wiring.write_access import WriteAccess

_FEW: Final = 3
_ACTING: Final = ("execute", "offboard", "assets")
"""Modes of runs that change something at Sauce Labs."""


class SharedJobs:
    """Compares whose jobs one account is about with all other accounts. `run_id` is for the log;
    `access` is None in a dry run.
    """

    def __init__(
        self,
        account: Account,
        context: RunContext,
        order: Order,
        access: WriteAccess | None,
        run_id: str,
    ) -> None:
        self._account, self._context, self._order, self._run_id = account, context, order, run_id
        self._access = access
        self._place = place(account.base_url)

    def refuse_shared(self, owners: Iterable[Owner]) -> None:
        """Raise RefusedError, naming both accounts and the users, where another account is about
        these owners' jobs.
        """
        mine = {folded(owner): owner for owner in owners}
        for other in self._context.config.accounts:
            if other.name != self._account.name and place(other.base_url) == self._place:
                self._refuse(other.name, mine.keys() & self._of(other), mine.values())
        for name, known in self._context.state.accounts.all().items():
            if (
                self._is_elsewhere(name)
                and place(known.base_url) == self._place
                and self._has_acted(name)
            ):
                theirs = map(folded, (known.username, *self._context.state.jobs.owners(name)))
                self._refuse_stranger(name, mine.keys() & set(theirs), mine.values())

    def _is_elsewhere(self, name: str) -> bool:
        """Return whether it is neither an account of this configuration nor one that this one
        replaces.
        """
        return name not in {account.name for account in self._context.config.accounts} | set(
            self._account.replaces
        )

    def _has_acted(self, name: str) -> bool:
        return any(self._context.state.runs.last(name, limit=1, mode=mode) for mode in _ACTING)

    def _of(self, other: Account) -> set[str]:
        """Return whose jobs the other account is about, folded. Raise RefusedError where that is
        unknown and something may change.
        """
        users = set(named(other))
        # Its users are written down; its own credentials' user is not one of them.
        if not asks_as_itself(other):
            return users.union(self._members(other)) if other.teams else users
        known = self._context.state.accounts.all().get(other.name)
        try:
            # A bound account keeps its user, so no secret is read for what is known.
            is_bound = known is not None and known.is_bound and place(known.base_url) == self._place
            users.add(folded(known.username if known is not None and is_bound else other.user()))
        except ConfigError as error:
            self._refuse_unknown(other, error)
        return (
            users.union(self._members(other))
            if ORGANIZATION in other.users or other.teams
            else users
        )

    def _members(self, other: Account) -> Iterator[str]:
        """Yield the members of the other account's organization or teams: asked with its
        credentials, else known from its earlier runs.
        """
        known = known_owners(self._context.state, other)
        # Offline asks nobody, so what earlier runs found must do.
        if not self._order.offline:
            try:
                yield from map(folded, self._ask(other))
            except JanitorError as error:
                if not known:
                    self._refuse_unknown(other, error)
            else:
                if ORGANIZATION not in other.users:
                    # A user who has left a team may be in another one now.
                    return
        yield from map(folded, known)

    def _ask(self, other: Account) -> Collection[Owner]:
        tell = Telemetry(other.name, self._run_id, self._context.metrics)
        count = shared_count(self._context, run_id=self._run_id, tell=tell.budget_lost)
        client = AccountClient(connection(other), tell.request, self._context.stop, store=count)
        with closing(client):
            return asked_of(other, client.reader.people, now=int(self._context.clock())).owners

    def _refuse(self, other: str, both: Collection[str], mine: Collection[Owner]) -> None:
        if both:
            raise RefusedError(
                f"accounts {self._account.name} and {other} both cover jobs of"
                f" {_few(both, mine)} at {self._place}: one user's jobs belong to one account, or"
                " what one keeps the other deletes. Nothing changed. Move the policies of both"
                " into one account, or take the user out of one"
            )

    def _refuse_stranger(self, other: str, both: Collection[str], mine: Collection[Owner]) -> None:
        if both:
            raise RefusedError(
                f"account {other}, which this configuration does not have, covered jobs of"
                f" {_few(both, mine)} at {self._place} in this state, as account"
                f" {self._account.name} does: two configurations on one state would decide on a job"
                f" twice. Nothing changed. If {self._account.name} was called {other} before, keep"
                f" what is known of it: `sauce-janitor account rename {other}"
                f" {self._account.name}`. If it is gone, say so: `accounts: {{{self._account.name}:"
                f" {{replaces: {other}}}}}`"
            )

    def _refuse_unknown(self, other: Account, error: JanitorError) -> None:
        """Raise RefusedError if the run may delete: it is unknown what the other account is about.
        A dry run continues.
        """
        if self._access is not None:
            raise RefusedError(
                f"it is unknown whether account {other.name} covers the same jobs as"
                f" {self._account.name} at {self._place}: {error}. Nothing changed. Write its"
                " `username` into the configuration, and name its `users`"
            ) from error


def _few(both: Collection[str], mine: Collection[Owner]) -> str:
    names = sorted(owner for owner in mine if folded(owner) in both)
    more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more
