"""A small account in which everything that a run does happens, and the files of faults that it is
run with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.faults.faults import read_faults
from tests.integration.faults.oddities import HERS, Fault, Oddity
from tests.integration.pipeline.conftest import DAY, Desk

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: noise, match: {build: "PR-*"}, then: {archive: none, delete_job: 3d}}
  - {name: copied, match: {build: "nightly-*"}, then: {archive: {after: 1h, assets: [all]}, delete_job: 3d}}
  - {name: stripped, match: {build: "rc-*"}, then: {archive: {after: 1h, assets: [log.json], discard: rest}, delete_assets: 3d}}
"""
PATIENT = (
    ", timeout: 60s, timeout_total: 5min, retries: {attempts: 2, max_wait: 1s}, listing:"
    " {full_every: 1min}"
)
IMPATIENT = ", timeout: 3s, timeout_total: 5s, retries: {attempts: 1}, listing: {full_every: 1min}"
"""For answers that do not come: no test should wait for them long, nor a busy machine be taken for
one.
"""
KINDS = {"NOISE": "PR-1", "COPIED": "nightly-1", "STRIPPED": "rc-1"}
OF_A_KIND = 4


@dataclass
class Account:
    """Four jobs of each kind that are due and four that are too young. `due`: the due jobs by kind,
    oldest first.
    """

    desk: Desk
    due: dict[str, list[str]]
    young: list[str]
    users: str = ""

    def configure(self, *, patient: bool) -> None:
        """Write the configuration."""
        self.desk.configure(POLICIES, budget=(PATIENT if patient else IMPATIENT) + self.users)

    def file_of(self, faults: tuple[Fault, ...]) -> Path:
        """The faults as a file for `--faults`; a kind's name stands for its second job."""
        text = yaml.safe_dump([dict(fault) for fault in faults])
        for kind, jobs in self.due.items():
            text = text.replace(kind, jobs[1])
        path = self.desk.folder / "faults.yaml"
        path.write_text(text)
        return path

    def arm(self, faults: tuple[Fault, ...]) -> None:
        """Inject them from now on."""
        for fault in read_faults(self.file_of(faults)):
            self.desk.sandbox.faults.arm(fault)

    def struck(self, oddity: Oddity) -> set[str]:
        """The jobs that the oddity is about."""
        return {
            job
            for kind in oddity.of.split()
            for job in self.due[kind][slice(None) if oddity.every else slice(1, 2)]
        }

    def left(self) -> set[str]:
        """The due jobs that are as they were, by the sandbox's own truth: a job that is there,
        assets that are there.
        """
        truths = {job: self.desk.sandbox.truth(job) for jobs in self.due.values() for job in jobs}
        stripped = set(self.due["STRIPPED"])
        return {
            job
            for job, truth in truths.items()
            if truth is not None and truth.exists and (job not in stripped or truth.assets)
        }

    def untouched(self) -> bool:
        """Whether no job is touched that is not due."""
        truths = [self.desk.sandbox.truth(job) for job in self.young]
        return all(truth is not None and truth.exists and truth.assets for truth in truths)


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
        desk = Desk(tmp_path, sandbox, stack)
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
