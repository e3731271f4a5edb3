"""A small account in which everything that a run does happens, and the files of faults that it is run with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml

from sauce_janitor.sandbox.injected_faults import read_faults
from tests.support.commands import Commands
from tests.support.oddities import Fault, Oddity

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
OF_A_KIND = 2


@dataclass
class Account:
    """Two jobs of each kind that are due and one of each that is too young. `due`: the due jobs by kind,
    oldest first.
    """

    desk: Commands
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
