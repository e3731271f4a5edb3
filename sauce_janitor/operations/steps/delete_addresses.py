"""Which address of Delete a Job worked for an account: kept in the state, so that the next run
tries it first.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from sauce_janitor.config import Account
from sauce_janitor.execute.delete_addresses import DeleteAddresses
from sauce_janitor.model.permits import DELETE_ADDRESSES, DeleteAddress
from sauce_janitor.state import Notes


def delete_addresses(account: Account, notes: Notes, clock: Callable[[], float]) -> DeleteAddresses:
    """Return the addresses that a run of the account may use, the one that worked last first. Raise
    StateError as notes do.
    """

    def keep(address: DeleteAddress) -> None:
        notes.write(_note(account.name), json.dumps({"address": address, "at": int(clock())}))

    if account.delete_job_path != "auto":
        return DeleteAddresses((account.delete_job_path,), keep)
    worked = (worked_last(account.name, notes) or {}).get("address")
    # sorted() is stable: the address that worked comes first, the others keep their order.
    return DeleteAddresses(sorted(DELETE_ADDRESSES, key=lambda address: address != worked), keep)


def worked_last(account: str, notes: Notes) -> dict[str, Any] | None:
    """Return which `address` certainly deleted a job, and when (`at`, epoch seconds); None where
    none did yet.
    """
    note = notes.read(_note(account))
    found: dict[str, Any] | None = None if note is None else json.loads(note)
    return found


def _note(account: str) -> str:
    return f"delete_job_path {account}"
