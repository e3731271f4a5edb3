"""The reader and the gate of one account, and the request budget that both spend."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

from pydantic import SecretStr

from sauce_janitor import config
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.budget.count_file import SharedCount
from sauce_janitor.sauce.budget.ports import CountStore
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.gate import Gate
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.request_events import OnRequest

_HOUR_S = 3600


def connection(account: config.Account) -> Connection:
    """Return the account's address, credential and time-outs. Raise ConfigError when a secret
    cannot be read.
    """
    username, access_key = account.credentials()
    return Connection(
        base_url=account.base_url,
        username=username,
        access_key=access_key,
        timeout_s=account.timeout_s,
        timeout_total_s=account.timeout_total_s,
        attempts=account.attempts,
        max_wait_s=account.max_wait_s,
        ca_bundle=str(account.ca_bundle) if account.ca_bundle else None,
        proxy=account.proxy,
        per_second=account.budget.usual.per_second,
        per_hour=account.budget.usual.per_hour,
        burst=account.budget.usual.burst,
        windows=account.budget.windows,
        zone=account.budget.zone,
        read_again=account.credentials,
    )


class AccountClient:
    """The reader of one account, and its gate for whoever may write. Both spend one budget."""

    def __init__(
        self,
        to: Connection,
        on_request: OnRequest,
        stop: threading.Event,
        *,
        store: CountStore | None = None,
    ) -> None:
        self.connection = to
        self._on_request = on_request
        self._stop = stop
        self._store = store
        self.budget = RequestBudget.of(to, store=store, stop=stop)
        self.reader = SauceReader(to, on_request, budget=self.budget, stop=stop)

    def as_(
        self,
        username: str,
        access_key: SecretStr,
        read_again: Callable[[], tuple[str, SecretStr]] | None = None,
    ) -> AccountClient:
        """Return a client for another credential at the same address, with its own budget. Close
        it, too.
        """
        other = replace(
            self.connection, username=username, access_key=access_key, read_again=read_again
        )
        return AccountClient(other, self._on_request, self._stop, store=self._store)

    def gate(self) -> Gate:
        """Return a gate, the only way to change anything. Close it."""
        return Gate(self.connection, self.budget, self._on_request, stop=self._stop)

    def close(self) -> None:
        """Close the reader's connections and the budget."""
        self.reader.close()
        self.budget.close()


def shared_count(context: RunContext, *, run_id: str, tell: Callable[[str], None]) -> CountStore:
    """Return where all processes on the same state count their requests: beside its file, or on its
    server. `tell` is called when the count is lost.
    """
    runs, identity = context.state.runs, context.state.identity

    def made() -> bool:
        return identity.remember_budget() and runs.any_since(
            int(context.clock()) - _HOUR_S, but=run_id
        )

    state = context.state
    return state.counted_on_server(made, tell) or SharedCount(state.counted_beside(), made, tell)
