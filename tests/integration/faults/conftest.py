"""A small account in which everything that a run does happens, and the files of faults that it is
run with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.commands import DAY, Commands
from tests.support.faulted_account import KINDS, OF_A_KIND, Account
from tests.support.oddities import HERS


@pytest.fixture
def account(tmp_path: Path) -> Iterator[Account]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=0)))
        old, young = int(time.time()) - 10 * DAY, int(time.time()) - DAY
        due: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for number in range(OF_A_KIND):
            for kind, build in KINDS.items():
                due[kind].append(
                    sandbox.arrive(
                        created_at=old + number * 60, name="checkout", build=build, tags=[]
                    )
                )
        fresh = [
            sandbox.arrive(created_at=young + n, name="new", build=KINDS[kind])
            for n, kind in enumerate(KINDS)
        ]
        desk = Commands(tmp_path, sandbox, stack)
        account = Account(desk, due, fresh)
        account.configure(patient=True)
        yield account


@pytest.fixture
def organization(account: Account) -> Account:
    """The account for the whole organization, in which alice has jobs that are due; everybody
    else's are gone.
    """
    sandbox = account.desk.sandbox
    for owner in sandbox.owners.keys() - {"demo", "alice"}:
        for job in tuple(sandbox.job_ids(owner)):
            sandbox.remove(job)
    ended = int(time.time()) - 10 * DAY
    times = {f"{word}_time": ended for word in ("creation", "start", "end", "modification")}
    account.due[HERS] = list(sandbox.job_ids("alice"))
    for job in account.due[HERS]:
        sandbox.edit(job, build="PR-1", tags=[], status="complete", **times)
    account.users = ", users: [organization]"
    account.configure(patient=True)
    return account
