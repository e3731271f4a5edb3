"""All data of a sandbox: the people, their jobs and builds, and the changes of them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from sauce_janitor.sandbox.core.chance import key_of
from sauce_janitor.sandbox.core.computed_ids import ComputedIds
from sauce_janitor.sandbox.core.messages import DestroyedAsset
from sauce_janitor.sandbox.core.options import SandboxOptions
from sauce_janitor.sandbox.core.people import Organisation, Person
from sauce_janitor.sandbox.world.assets import Asset, born_assets
from sauce_janitor.sandbox.world.documents import job_document
from sauce_janitor.sandbox.world.ledger import OwnerLedger
from sauce_janitor.sandbox.world.population import Population

_SHARES = (1, 10, 20, 20, 40)
"""The main user's jobs divided by this are the jobs of each person."""
_FEWEST = 5


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job that exists: its owner, and its index in the owner's ledger."""

    id: str
    person: Person
    ledger: OwnerLedger
    index: int


@dataclass(frozen=True, slots=True)
class BuildRef:
    """A build: its owner and its name."""

    id: str
    person: Person
    ledger: OwnerLedger
    name: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a job: its document, and the size of every asset, also of hidden ones.

    `exists` is False for a deleted job.
    """

    exists: bool
    document: dict[str, object]
    assets: dict[str, int]


class World:
    """The people and their ledgers.

    `lock` is held around every change, and around reads that must fit together.
    """

    def __init__(self, options: SandboxOptions, *, now: int) -> None:
        self.options, self.behaviours, self.now = options, options.behaviours, now
        self.lock = threading.RLock()
        self.organisation = Organisation(
            options.seed, options.user, options.access_key, colleagues=options.colleagues
        )
        self._job_ids = ComputedIds(key_of(options.seed, "job ids"))
        self._build_ids = ComputedIds(key_of(options.seed, "build ids"))
        self._new_builds: list[str] = []
        self.ledgers = tuple(
            OwnerLedger(
                Population(
                    options.seed, person.name, self._count(person), now=now, days=options.days
                )
            )
            for person in self.organisation.people
        )

    def ledger(self, person: Person) -> OwnerLedger:
        """Return the person's jobs."""
        return self.ledgers[person.number]

    def clock(self) -> int:
        """Return the time of a change, in epoch seconds: the frozen time, or else the real one."""
        return self.now if self.options.now is not None else int(time.time())

    # --- jobs -------------------------------------------------------------------------------------

    def job(self, job_id: str, *, even_deleted: bool = False) -> JobRef | None:
        """Return the job with this id; None for one that never existed or is deleted."""
        number = self._job_ids.number_of(job_id)
        if number is None or number[0] >= len(self.ledgers):
            return None
        owner, index = number
        ledger = self.ledgers[owner]
        if index >= ledger.count or (not even_deleted and not ledger.has(index)):
            return None
        return JobRef(job_id, self.organisation.people[owner], ledger, index)

    def ref(self, person: Person, index: int) -> JobRef:
        """Return the person's job with this index."""
        return JobRef(self._job_ids.id_of(person.number, index), person, self.ledger(person), index)

    def document(self, job: JobRef, base_url: str) -> dict[str, object]:
        """Return the present job document."""
        return job_document(
            job.person,
            job.id,
            job.ledger.facts(job.index),
            job.ledger.patches.get(job.index),
            base_url,
        )

    def truth(self, job_id: str, base_url: str) -> Truth | None:
        """Return what is true of a job, also of a deleted one; None for an unknown id."""
        job = self.job(job_id, even_deleted=True)
        if job is None:
            return None
        exists = job.ledger.has(job.index)
        assets = {asset.name: len(asset.read()) for asset in self.assets(job)} if exists else {}
        return Truth(exists, self.document(job, base_url), assets)

    # --- assets -----------------------------------------------------------------------------------

    def assets(self, job: JobRef) -> tuple[Asset, ...]:
        """Return the present files of the job by name, also hidden ones."""
        # What is uploaded to such a job later does not show either.
        if job.index in job.ledger.stripped or self.is_purged(job):
            return ()
        uploads = job.ledger.uploads.get(job.index, {})
        born = born_assets(job.ledger.facts(job.index)) if job.ledger.is_finished(job.index) else ()
        # An upload replaces a file of the same name.
        kept = [asset for asset in born if asset.name not in uploads]
        added = [Asset(name, lambda data=data: data) for name, data in uploads.items()]  # type: ignore[misc]  # binds each data
        return tuple(sorted((*kept, *added), key=lambda asset: asset.name))

    def is_purged(self, job: JobRef) -> bool:
        """Return whether Sauce Labs has purged the assets."""
        ended_at = job.ledger.ended_at(job.index)
        return (
            ended_at is not None and ended_at <= self.now - self.options.purge_after_days * 86_400
        )

    def destroyed(self, job: JobRef) -> tuple[DestroyedAsset, ...]:
        """Return the files that a delete of the job, or of its assets, destroys."""
        return tuple(
            DestroyedAsset(job.id, asset.name, len(asset.read()), not asset.is_hidden, asset.read)
            for asset in self.assets(job)
        )

    # --- builds -----------------------------------------------------------------------------------

    def build(self, build_id: str) -> BuildRef | None:
        """Return the build with this id, or None."""
        number = self._build_ids.number_of(build_id)
        if number is None or number[0] >= len(self.ledgers):
            return None
        owner, index = number
        person, ledger = self.organisation.people[owner], self.ledgers[owner]
        # Numbers above the population's builds are those of names that users made up.
        made_up = index - ledger.population.builds
        if made_up >= len(self._new_builds):
            return None
        name = ledger.population.build_name(index) if made_up < 0 else self._new_builds[made_up]
        return BuildRef(build_id, person, ledger, name)

    def build_called(self, person: Person, name: str) -> BuildRef:
        """Return the person's build of this name. A new name gets an id as well."""
        ledger = self.ledger(person)
        index = ledger.population.build_named(name)
        if index is None:
            with self.lock:
                # Under the lock, because the place in this list becomes part of the build's id.
                if name not in self._new_builds:
                    self._new_builds.append(name)
                index = ledger.population.builds + self._new_builds.index(name)
        return BuildRef(self._build_ids.id_of(person.number, index), person, ledger, name)

    def _count(self, person: Person) -> int:
        jobs = self.options.jobs
        if person.number == 0:
            return jobs
        return (
            max(_FEWEST, jobs // _SHARES[person.number])
            if person.number < len(_SHARES)
            else _FEWEST
        )
