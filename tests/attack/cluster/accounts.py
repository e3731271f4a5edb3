"""The accounts of a cluster: a sandbox each, whose jobs are all old, slow answers, and new old jobs
whenever few are left that are due.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from typing import Final

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.attack import truth
from tests.attack.cluster.oracle import ClusterOracle
from tests.attack.cluster.worker import Senders

_OLDEST_D: Final = 29
_NEWEST_D: Final = 22.2
"""No age at which something falls due is near: 20, 25 (asked again at the end) and 30 days."""
_BUILDS: Final = ("PR-7", "PR-9", "nightly-3", "nightly-4", "rc-1")
_RECENT_S: Final = 300


@dataclass
class AttackedAccount:
    """An account of the cluster. `due_at_once`: how many of its jobs are due at any time until `exhaust`."""

    name: str
    sandbox: Sandbox
    oracle: ClusterOracle
    chance: random.Random
    due_at_once: int
    _arrived: set[str] = field(default_factory=set)
    _created_at: int = 0

    def refill(self) -> None:
        """Let jobs arrive that are due, until there are enough."""
        if not self._arrived:
            self._arrived = {job_id for job_id in self.sandbox.job_ids() if self._is_due(job_id)}
        self._arrived = {job_id for job_id in self._arrived if self._is_due(job_id)}
        while len(self._arrived) < self.due_at_once:
            self._created_at += 1
            build = self.chance.choice(_BUILDS)
            tags = ["keep"] if self.chance.random() < 0.05 else []
            job_id = self.sandbox.arrive(created_at=self._created_at, build=build, tags=tags)
            if not tags and build != "rc-1":
                self._arrived.add(job_id)

    def exhaust(self) -> None:
        """No more jobs arrive, and answers come at once."""
        self.due_at_once = 0
        self.sandbox.faults.disarm()

    def left_to_do(self) -> list[str]:
        """Return what the policies permit and want, and is not done, in words."""
        found = []
        for job_id in self.sandbox.job_ids():
            job = self.sandbox.truth(job_id)
            assert job is not None
            if truth.is_held(job.document, time.time()):
                continue
            for action in ("delete_job", "delete_assets"):
                early = truth.forbids(job.document, action, time.time() - _RECENT_S)
                if early is None and (action == "delete_job" or job.assets):
                    found.append(f"{action} of {job_id} of {self.name}")
                    break
        return found

    def _is_due(self, job_id: str) -> bool:
        job = self.sandbox.truth(job_id)
        return (
            job is not None
            and job.exists
            and truth.forbids(job.document, "delete_job", time.time()) is None
        )


def attacked_account(
    number: int, seed: int, *, jobs: int, latency_s: float, senders: Senders, url: str
) -> AttackedAccount:
    """Start the sandbox of an account and watch its requests."""
    now = int(time.time())
    name = f"box-{number}"
    options = SandboxOptions(
        jobs=jobs,
        seed=seed * 100 + number,
        access_key=f"key-of-{name}",
        now=now - int(_NEWEST_D * truth.DAY),
        days=int(_OLDEST_D - _NEWEST_D),
        # Assets are there as long as somebody may want them.
        purge_after_days=90,
    )
    sandbox = Sandbox(options).start()
    oracle = ClusterOracle(sandbox, time.time, [], [], account=name, url=url, senders=senders)
    oracle.watch()
    senders.watch(sandbox)
    for share, delay_s in ((0.5, latency_s), (0.1, 4 * latency_s)):
        sandbox.inject("delay", seconds=delay_s, chance=share)
    newest = now - int(_NEWEST_D * truth.DAY)
    made = AttackedAccount(
        name, sandbox, oracle, random.Random(options.seed), jobs, _created_at=newest
    )
    made.refill()
    return made
