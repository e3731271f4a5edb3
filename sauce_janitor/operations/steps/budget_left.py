"""What an account's request budget has left now, for `status`: read from the count that all
processes share, without a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from sauce_janitor.config import Account
from sauce_janitor.sauce.budget.budget import RequestBudget
from sauce_janitor.sauce.budget.count_file import SharedCount
from sauce_janitor.sauce.budget.ports import CountStore
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.state import KnownAccount, State


def standing(
    account: Account, known: Mapping[str, KnownAccount], state: State, *, now: float
) -> dict[str, Any]:
    """Return how the account's own budget stands now, from the count of the state. Asks Sauce Labs
    nothing and needs no secret.

    `known` are the accounts that had a run. Raise StateError when the count cannot be read.
    """
    allowed = account.budget.at(now)
    standing: dict[str, Any] = {
        "now": str(allowed),
        "per_second": account.budget.usual.per_second,
        "per_hour": account.budget.usual.per_hour,
        "windows": len(account.budget.windows),
        "left_this_hour": allowed.per_hour,
        "goes_on_in_s": 0.0,
        "slowed": False,
    }
    store: CountStore = state.counted_on_server() or SharedCount(state.counted_beside())
    # Without a request there is no count, and reading one would make it.
    if account.name not in known or not store.exists():
        return standing
    found = known[account.name]
    budget = RequestBudget.of(_anonymous(account, found.base_url, found.username), store=store)
    try:
        reading = budget.read()
    finally:
        budget.close()
    return standing | {
        "left_this_hour": reading.left_hour,
        "goes_on_in_s": round(reading.turn.wait_s, 1),
        "slowed": reading.slowed,
    }


def _anonymous(account: Account, base_url: str, username: str) -> Connection:
    usual = account.budget.usual
    return Connection(
        base_url=base_url,
        username=username,
        access_key=SecretStr(""),
        per_second=usual.per_second,
        per_hour=usual.per_hour,
        burst=usual.burst,
        windows=account.budget.windows,
        zone=account.budget.zone,
    )
