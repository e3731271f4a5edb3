"""The whole truth of a sandbox: who there is, which jobs they own, and what becomes of them."""

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
"""How many times fewer jobs each person has than the main user."""
_FEWEST = 5


@dataclass(frozen=True, slots=True)
class JobRef:
    """A job that exists: whose, and which."""

    id: str
    person: Person
    ledger: OwnerLedger
    index: int


@dataclass(frozen=True, slots=True)
class BuildRef:
    """A build: whose, and its name."""

    id: str
    person: Person
    ledger: OwnerLedger
    name: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What is true of a job: its document, and every asset it has with its size, hidden ones
    too.
    """

    exists: bool
    document: dict[str, object]
    assets: dict[str, int]


class World:
    """Holds the ledgers. `lock` is held around every change, and around reads that must agree with
    one another.
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
        """The person's jobs."""
        return self.ledgers[person.number]

    def clock(self) -> int:
        """The time of what happens from now on, in epoch seconds: the frozen one if it was given,
        else the real one.
        """
        return self.now if self.options.now is not None else int(time.time())

    # --- jobs -------------------------------------------------------------------------------------

    def job(self, job_id: str, *, even_deleted: bool = False) -> JobRef | None:
        """The job with this id; None for one that never was or is deleted."""
        number = self._job_ids.number_of(job_id)
        if number is None or number[0] >= len(self.ledgers):
            return None
        owner, index = number
        ledger = self.ledgers[owner]
        if index >= ledger.count or (not even_deleted and not ledger.has(index)):
            return None
        return JobRef(job_id, self.organisation.people[owner], ledger, index)

    def ref(self, person: Person, index: int) -> JobRef:
        """The job with this index among the person's."""
        return JobRef(self._job_ids.id_of(person.number, index), person, self.ledger(person), index)

    def document(self, job: JobRef, base_url: str) -> dict[str, object]:
        """The full job document as it is now."""
        return job_document(
            job.person,
            job.id,
            job.ledger.facts(job.index),
            job.ledger.patches.get(job.index),
            base_url,
        )

    def truth(self, job_id: str, base_url: str) -> Truth | None:
        """What is true of a job, deleted ones too; None for one that never was."""
        job = self.job(job_id, even_deleted=True)
        if job is None:
            return None
        exists = job.ledger.has(job.index)
        assets = {asset.name: len(asset.read()) for asset in self.assets(job)} if exists else {}
        return Truth(exists, self.document(job, base_url), assets)

    # --- assets -----------------------------------------------------------------------------------

    def assets(self, job: JobRef) -> tuple[Asset, ...]:
        """The files that the job has now, hidden ones too, by name."""
        if job.index in job.ledger.stripped or self.is_purged(job):
            return ()
        uploads = job.ledger.uploads.get(job.index, {})
        born = born_assets(job.ledger.facts(job.index)) if job.ledger.is_finished(job.index) else ()
        kept = [asset for asset in born if asset.name not in uploads]
        added = [Asset(name, lambda data=data: data) for name, data in uploads.items()]  # type: ignore[misc]  # binds each data
        return tuple(sorted((*kept, *added), key=lambda asset: asset.name))

    def is_purged(self, job: JobRef) -> bool:
        """True once Sauce has removed the assets by itself."""
        ended_at = job.ledger.ended_at(job.index)
        return (
            ended_at is not None and ended_at <= self.now - self.options.purge_after_days * 86_400
        )

    def destroyed(self, job: JobRef) -> tuple[DestroyedAsset, ...]:
        """What a delete of the job, or of its assets, destroys."""
        return tuple(
            DestroyedAsset(job.id, asset.name, len(asset.read()), not asset.is_hidden, asset.read)
            for asset in self.assets(job)
        )

    # --- builds -----------------------------------------------------------------------------------

    def build(self, build_id: str) -> BuildRef | None:
        """The build with this id."""
        number = self._build_ids.number_of(build_id)
        if number is None or number[0] >= len(self.ledgers):
            return None
        owner, index = number
        person, ledger = self.organisation.people[owner], self.ledgers[owner]
        made_up = index - ledger.population.builds
        if made_up >= len(self._new_builds):
            return None
        name = ledger.population.build_name(index) if made_up < 0 else self._new_builds[made_up]
        return BuildRef(build_id, person, ledger, name)

    def build_called(self, person: Person, name: str) -> BuildRef:
        """The person's build of this name; names that were never used before get an id as well."""
        ledger = self.ledger(person)
        index = ledger.population.build_named(name)
        if index is None:
            with self.lock:
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
