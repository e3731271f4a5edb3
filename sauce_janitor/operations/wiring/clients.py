"""The clients of an account: one for each credential, with its own request budget."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from sauce_janitor.config import Account
from sauce_janitor.errors import (
    BudgetSpentError,
    ConfigError,
    CredentialsError,
    JanitorError,
    SourceError,
    SourceUnavailableError,
)
from sauce_janitor.model.jobs import Owner, is_same_user
from sauce_janitor.operations.wiring.account_client import AccountClient, connection
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.sauce.budget.ports import CountStore
from sauce_janitor.sauce.http.request_events import OnRequest

_OF_THE_ACCOUNT = (CredentialsError, SourceUnavailableError, BudgetSpentError)


@dataclass(frozen=True, slots=True)
class CredentialShare:
    """One credential's part of an account: the jobs of these owners. `own`: the credential is the
    owners', not the account's.
    """

    client: AccountClient
    owners: frozenset[Owner]
    own: bool


class Clients:
    """The clients of one account: its own, and those of owners with their own credentials, created
    when first needed.
    """

    def __init__(self, account: Account, main: AccountClient, stack: ExitStack) -> None:
        self.main = main
        self._account = account
        self._stack = stack
        self._clients: dict[tuple[str, str], AccountClient] = {}
        self._of_owner: dict[Owner, AccountClient | ConfigError] = {}
        key = main.connection.access_key.get_secret_value()
        self._clients[main.connection.username, key] = main

    def has_own(self, owner: Owner) -> bool:
        """Return whether the owner's jobs are asked about with credentials other than the
        account's.
        """
        return self._configured(owner) in self._account.own_sources

    def _configured(self, owner: Owner) -> Owner:
        """Return the owner's name as the configuration writes it: Sauce Labs may write it in a
        different case.
        """
        own = self._account.own_sources
        return (
            owner
            if owner in own
            else next((each for each in own if is_same_user(each, owner)), owner)
        )

    def of(self, owner: Owner) -> AccountClient:
        """Return the client for this owner's jobs. Raise ConfigError when their credentials cannot
        be read; they are read once.
        """
        if not self.has_own(owner):
            return self.main
        if owner not in self._of_owner:
            try:
                self._of_owner[owner] = self._client_of(owner)
            # Remembered: reading a secret again for each job would be slow and fail the same way.
            except ConfigError as error:
                self._of_owner[owner] = error
        found = self._of_owner[owner]
        if isinstance(found, ConfigError):
            raise found
        return found

    def _client_of(self, owner: Owner) -> AccountClient:
        owner = self._configured(owner)
        username, access_key = self._account.credentials(owner)
        who = username, access_key.get_secret_value()
        # One client for each credential, and so one budget.
        if who not in self._clients:
            again = partial(self._account.credentials, owner)
            self._clients[who] = self.main.as_(username, access_key, again)
            self._stack.callback(self._clients[who].close)
        return self._clients[who]

    def is_about(self, owner: Owner, error: JanitorError) -> bool:
        """Return whether an error about this owner's jobs concerns this owner only: then the others
        continue.

        It does, unless it is about the account's credentials or budget, or Sauce Labs does not
        answer at all.
        """
        if self.has_own(owner):
            return isinstance(error, SourceError | ConfigError)
        return isinstance(error, SourceError) and not isinstance(error, _OF_THE_ACCOUNT)

    def shares(self, owners: Iterable[Owner]) -> tuple[CredentialShare, ...]:
        """Return these owners by credential, the account's own first. An owner without readable
        credentials is in none.
        """
        of_client: dict[AccountClient, set[Owner]] = {self.main: set()}
        for owner in owners:
            try:
                of_client.setdefault(self.of(owner), set()).add(owner)
            except ConfigError:
                continue
        return tuple(
            CredentialShare(client, frozenset(of), own=client is not self.main)
            for client, of in of_client.items()
            if of
        )

    @property
    def clock_skew_s(self) -> float | None:
        """Sauce Labs' clock minus the local one, in seconds: the largest difference among the
        clients' newest answers; None before any.
        """
        skews = [
            skew
            for client in self._clients.values()
            if (skew := client.reader.clock_skew_s) is not None
        ]
        return max(skews, key=abs, default=None)


def open_clients(
    account: Account,
    context: RunContext,
    on_request: OnRequest,
    count: CountStore,
    stack: ExitStack,
) -> Clients:
    """Open the account's clients, which are closed with `stack`. Raise ConfigError when a secret
    cannot be read.
    """
    main = AccountClient(connection(account), on_request, context.stop, store=count)
    stack.callback(main.close)
    return Clients(account, main, stack)
