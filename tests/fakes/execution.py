"""Everything that carrying out a plan touches, kept in memory: a Sauce Labs that can lie, an
archive, a journal, a lease.

Every call that could be a process's last passes `Effects.step`, which writes it down and can kill
there: before the effect or after it. What survives a kill is what the real things would have made
durable.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from sauce_janitor.errors import (
    AnswerError,
    ArchiveError,
    ArchiveUnusableError,
    LeaseError,
    PermitError,
    SourceError,
)
from sauce_janitor.execute.delete_addresses import DeleteAddresses
from sauce_janitor.execute.events import Event
from sauce_janitor.execute.ports import ExecutionPorts, Fetch, Proven
from sauce_janitor.model.assets import Selection
from sauce_janitor.model.job_retries import Failing, Retry, failed_again
from sauce_janitor.model.jobs import (
    Action,
    AssetListing,
    Decision,
    Job,
    JobDocument,
    JobId,
    JobState,
    MissingFile,
    Owner,
    Reason,
    Verdict,
)
from sauce_janitor.model.jobs import Why as ReasonWhy
from sauce_janitor.model.open_intents import OpenIntent
from sauce_janitor.model.permits import (
    DELETE_ADDRESSES,
    DeleteAddress,
    DeleteAssetsPermit,
    DeleteJobPermit,
    DeletePermit,
    Receipt,
    StopPermit,
)
from sauce_janitor.model.stored_jobs import ReadBack, StoredJob, StoreReason
from sauce_janitor.model.write_answers import WriteAnswer
from sauce_janitor.retention.plan.planner import JobPlan

DAY = 86_400
NOW = 1_800_000_000
ME = Owner("me")


class KilledError(BaseException):
    """The process is dead: nothing it would have done after this happens."""


class Effects:
    """Every call in order. `kill_at` is the number of the step that is the last, from 0."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.kill_at: int | None = None
        self.kill_side: Literal["before", "after"] = "before"
        self._dead = False
        self._lock = threading.RLock()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        with self._lock:
            if self._dead:
                raise KilledError(what)
            last = len(self.steps) == self.kill_at
            if last and self.kill_side == "before":
                self._dead = True
                raise KilledError(what)
            self.steps.append(what)
            yield
            if last:
                self._dead = True
                raise KilledError(what)

    def revive(self) -> None:
        self.kill_at, self._dead, self.steps = None, False, []

    def kinds(self) -> list[str]:
        return [step.split(" ", 1)[0] for step in self.steps]


class FakeClock:
    def __init__(self) -> None:
        self.passed = 0.0

    def now(self) -> int:
        return NOW + int(self.passed)

    def monotonic(self) -> float:
        return self.passed

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.passed += seconds
        return event.is_set()


@dataclass
class FakeJob:
    """A job by truth. `hidden` are files that no list shows."""

    job: Job
    assets: dict[str, bytes] = field(default_factory=dict)
    hidden: dict[str, bytes] = field(default_factory=dict)
    listed_as_missing: bool = False


@dataclass(frozen=True)
class FakeAnswer(WriteAnswer):
    deleted: tuple[tuple[str, int], ...] | None = None
    doubtful: bool = False
    detail: str = ""


class FakeBody:
    framed = True
    content_type: str | None = None

    def __init__(self, data: bytes, each: Callable[[], None]) -> None:
        self._data = data
        self._each = each

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), 4):
            self._each()
            yield self._data[start : start + 4]


Lie = Callable[["FakeSauce", JobId], object]


class FakeSauce:
    """Both halves of Sauce Labs. Lies are told once each, in order, by endpoint: `lie("assets",
    lambda sauce, job: …)`.
    """

    def __init__(self, effects: Effects, clock: FakeClock) -> None:
        self.world: dict[JobId, FakeJob] = {}
        self.effects = effects
        self.clock = clock
        self.latency_s = 0.01
        self.batches = True
        self.skew: float | None = 0.0
        self.budget: int | None = None
        self.served: list[tuple[str, JobId | None]] = []
        self.judged: list[tuple[JobId, float]] = []
        self.each_chunk: Callable[[], None] = lambda: None
        self.without: dict[JobId, str] = {}
        self.batch_sizes: list[int] = []
        self.reserved_now = 0
        self.unreserved: list[str] = []
        self.serves: set[str | None] = {"v1", "v1.1"}
        self.unserved_status = 404
        self.addresses: list[str | None] = []
        self._lies: dict[str, list[Lie]] = {}

    def lie(self, endpoint: str, answer: Lie, *, times: int = 1) -> None:
        self._lies.setdefault(endpoint, []).extend([answer] * times)

    def be_honest(self) -> None:
        self._lies.clear()

    def _answer(self, endpoint: str, job_id: JobId | None, truth: Callable[[], object]) -> object:
        with self.effects.step(f"{endpoint} {job_id or ''}"):
            self.clock.passed += self.latency_s
            if self.budget is not None:
                self.budget -= 1
            self.served.append((endpoint, job_id))
            if not self.reserved_now:
                self.unreserved.append(endpoint)
            self.reserved_now = max(0, self.reserved_now - 1)
            lies = self._lies.get(endpoint)
            if lies:
                return lies.pop(0)(self, job_id or JobId(""))
            return truth()

    # reading

    def job(self, owner: Owner, job_id: JobId, /) -> JobDocument | None:
        answer = self._answer("job", job_id, lambda: self.document(job_id))
        assert answer is None or isinstance(answer, JobDocument)
        return answer

    def jobs(self, job_ids: Sequence[JobId], /) -> Mapping[JobId, JobDocument] | None:
        def truth() -> object:
            if not self.batches:
                return None
            return {
                one: document for one in job_ids if (document := self.document(one)) is not None
            }

        self.batch_sizes.append(len(job_ids))
        answer = self._answer("jobs", None, truth)
        assert answer is None or isinstance(answer, dict)
        return answer

    def contradicted(self, owner: Owner, job_ids: Collection[JobId], /) -> Mapping[JobId, str]:
        def truth() -> object:
            return {one: "a fresh listing still shows it" for one in job_ids if one in self.world}

        answer = self._answer("list", None, truth)
        assert isinstance(answer, dict)
        return answer

    def assets(self, owner: Owner, job_id: JobId, /) -> AssetListing | None:
        def truth() -> object:
            fake = self.world.get(job_id)
            if fake is None or fake.listed_as_missing:
                return None
            return AssetListing(tuple(fake.assets))

        answer = self._answer("assets", job_id, truth)
        assert answer is None or isinstance(answer, AssetListing)
        return answer

    @contextmanager
    def open_asset(self, owner: Owner, job_id: JobId, name: str, /) -> Iterator[FakeBody]:
        def truth() -> object:
            fake = self.world.get(job_id)
            if self.without.get(job_id) == name:
                raise SourceError(f"asset {name} of job {job_id}: 404")
            if fake is None or name not in fake.assets:
                raise AnswerError(f"asset {name} of job {job_id}: 404")
            return fake.assets[name]

        data = self._answer("asset", job_id, truth)
        assert isinstance(data, bytes)
        yield FakeBody(data, self.each_chunk)

    @contextmanager
    def reserved(self, requests: int, /) -> Iterator[None]:
        self.reserved_now += requests
        try:
            yield
        finally:
            self.reserved_now = 0

    @property
    def clock_skew_s(self) -> float | None:
        return self.skew

    @property
    def requests_here(self) -> int:
        return len(self.served)

    @property
    def budget_left(self) -> int | None:
        return self.budget

    # writing

    def delete_assets(self, permit: DeleteAssetsPermit, /) -> FakeAnswer:
        return self._write("DELETE-assets", permit, self.do_delete_assets)

    def delete_job(self, permit: DeleteJobPermit, /) -> FakeAnswer:
        self.addresses.append(permit.address)
        if permit.address not in self.serves:
            answer = FakeAnswer(
                self.unserved_status, doubtful=self.unserved_status != 404, detail="Not Found"
            )
            return self._write("DELETE-job", permit, lambda _job: answer)
        return self._write("DELETE-job", permit, self.do_delete_job)

    def stop(self, permit: StopPermit, /) -> FakeAnswer:
        return self._write("PUT-stop", permit, self.do_stop)

    def _write(
        self, endpoint: str, permit: DeletePermit | StopPermit, truth: Callable[[JobId], FakeAnswer]
    ) -> FakeAnswer:
        age = self.clock.monotonic() - permit.asked_at
        if age > 10:
            raise PermitError(f"asked {age} s ago")
        if isinstance(permit, DeletePermit) and isinstance(permit.proof, Receipt):
            assert permit.listed_at is not None, "a copy proves nothing without a list"
            assert self.clock.monotonic() - permit.listed_at <= 60
        self.judged.append((permit.job_id, age))
        answer = self._answer(endpoint, permit.job_id, lambda: truth(permit.job_id))
        assert isinstance(answer, FakeAnswer)
        return answer

    def do_delete_assets(self, job_id: JobId) -> FakeAnswer:
        fake = self.world.get(job_id)
        if fake is None or not (fake.assets or fake.hidden):
            return FakeAnswer(404, detail="Not Found")
        deleted = tuple((name, len(data)) for name, data in (fake.assets | fake.hidden).items())
        fake.assets, fake.hidden = {}, {}
        return FakeAnswer(200, deleted)

    def do_delete_job(self, job_id: JobId) -> FakeAnswer:
        return (
            FakeAnswer(204)
            if self.world.pop(job_id, None) is not None
            else FakeAnswer(404, detail="Not Found")
        )

    def do_stop(self, job_id: JobId) -> FakeAnswer:
        fake = self.world.get(job_id)
        if fake is None:
            return FakeAnswer(404, detail="Not Found")
        fake.job = replace(fake.job, state=JobState.FINISHED, ended_at=self.clock.now())
        return FakeAnswer(200)

    # the truth

    def document(self, job_id: JobId) -> JobDocument | None:
        fake = self.world.get(job_id)
        return (
            None
            if fake is None
            else JobDocument(fake.job, {"id": job_id, "name": str(fake.job.name)})
        )

    def change(self, job_id: JobId, **fields: object) -> None:
        self.world[job_id].job = replace(self.world[job_id].job, **fields)  # type: ignore[arg-type]  # any field of Job

    def writes(self) -> list[tuple[str, JobId | None]]:
        return [
            (endpoint, job_id)
            for endpoint, job_id in self.served
            if endpoint[:4] in ("DELE", "PUT-")
        ]

    def requests(self) -> int:
        return len(self.served)


class FakeArchive:
    def __init__(self, effects: Effects, clock: FakeClock) -> None:
        self.effects = effects
        self.clock = clock
        self.made_at: dict[JobId, int] = {}
        self.passes: dict[JobId, int] = {}
        self.files: dict[JobId, dict[str, bytes]] = {}
        self.discarded: dict[JobId, frozenset[str]] = {}
        self.listed: dict[JobId, frozenset[str]] = {}
        self.missing: dict[JobId, tuple[MissingFile, ...]] = {}
        self.whys: list[StoreReason] = []
        self.documents: dict[JobId, JobDocument] = {}
        self.unusable = False
        self.forgets: set[str] = set()
        self.rotten: dict[JobId, set[str]] = {}
        self.lost: set[JobId] = set()
        self.reads: list[JobId] = []
        self.on_read: Callable[[JobId], None] = lambda _job: None
        self.on_look: Callable[[], None] = lambda: None

    def check(self) -> None:
        if self.unusable:
            raise ArchiveUnusableError("the archive's sentinel is missing")

    def archived(self, job: Job, /) -> StoredJob | None:
        self.on_look()
        if job.id not in self.files:
            return None
        files, discarded = self.files[job.id], self.discarded[job.id]
        return StoredJob(
            path=job.id,
            sha256=self._sha256(job.id),
            key="",
            stored={name: len(data) for name, data in files.items()},
            discarded=discarded,
            made_at=self.made_at.get(job.id, NOW - 2 * DAY),
            listed=self.listed.get(job.id, frozenset()),
            missing=self.missing.get(job.id, ()),
            read_back=True,
        )

    def read_back(self, owner: Owner, job_id: JobId, /) -> ReadBack:
        self.reads.append(job_id)
        self.on_read(job_id)
        if job_id not in self.files:
            return ReadBack(None, ("its folder is gone",) if job_id in self.lost else ())
        damaged = tuple(f"{name}: changed" for name in sorted(self.rotten.get(job_id, ())))
        return ReadBack(self._sha256(job_id), damaged)

    def _sha256(self, job_id: JobId) -> str:
        said = (
            sorted(self.files[job_id]),
            sorted(self.discarded[job_id]),
            self.passes.get(job_id, 1),
        )
        return hashlib.sha256(repr(said).encode()).hexdigest()

    def store(
        self,
        document: JobDocument,
        listing: AssetListing,
        selection: Selection,
        fetch: Fetch,
        /,
        *,
        why: StoreReason,
    ) -> StoredJob:
        self.check()
        job_id = document.job.id
        aside = dict(self.files.get(job_id, {}))
        rotten = self.rotten.get(job_id, set())
        if gone := rotten - set(listing.names):
            raise ArchiveError(f"{min(gone)} is damaged, and Sauce Labs does not list it any more")
        for name in rotten:
            del aside[name]
        new, missing = 0, list[MissingFile]()
        for name in listing.names:
            if selection.wants(name) and name not in aside and name not in self.forgets:
                try:
                    with fetch(name) as body:
                        aside[name] = b"".join(body)
                except AnswerError as wrong:
                    missing.append(MissingFile(name, str(wrong), self.clock.now()))
                else:
                    new += 1
        discarded = frozenset(
            name for name in listing.names if not selection.wants(name) and selection.may_lose(name)
        )
        with self.effects.step(f"archive {job_id}"):
            self.files[job_id] = aside
            self.rotten.pop(job_id, None)
            self.passes[job_id] = self.passes.get(job_id, 1) + bool(rotten)
            self.made_at[job_id] = self.clock.now()
            self.discarded[job_id] = self.discarded.get(job_id, frozenset()) | discarded
            self.listed[job_id] = self.listed.get(job_id, frozenset()) | set(listing.names)
            self.documents[job_id] = document
            self.missing[job_id] = tuple(missing)
            self.whys.append(why)
        stored = self.archived(document.job)
        assert stored is not None
        return replace(
            stored,
            restored=tuple(sorted(rotten)),
            fetched_assets=new,
            fetched_bytes=sum(len(aside[name]) for name in listing.names if name in aside),
        )


@dataclass(frozen=True)
class Row:
    kind: str
    action: Action
    job_id: JobId
    intent: int | None = None
    outcome: str = ""
    detail: str = ""
    proof: object = None
    bytes_reclaimed: int | None = None


class FakeJournal:
    def __init__(self, effects: Effects, lease: FakeLease, clock: FakeClock) -> None:
        self.effects = effects
        self.rows: list[Row] = []
        self.lease = lease
        self.clock = clock
        self.fail: Exception | None = None
        self.refuses: Exception | None = None
        self._lock = threading.Lock()

    def _write(self, row: Row) -> int:
        words = f"{row.kind}{':' + row.outcome if row.outcome else ''}"
        with self.effects.step(f"journal.{words} {row.job_id}"):
            if self.fail is not None:
                raise self.fail
            with self._lock:
                self.rows.append(row)
                return len(self.rows) - 1

    def archived(
        self,
        job_id: JobId,
        owner: Owner,
        /,
        *,
        receipt: str,
        selection: str | None,
        policy: str,
        missing: Sequence[MissingFile] = (),
    ) -> None:
        self._write(Row("archived", Action.ARCHIVE, job_id, detail=receipt))

    def intent(self, permit: DeletePermit | StopPermit, /, *, policy: str) -> int:
        if permit.fence != self.lease.fence:
            raise LeaseError("another run holds the lease")
        if self.refuses is not None:
            raise self.refuses
        return self._write(
            Row("intent", permit.action, permit.job_id, proof=getattr(permit, "proof", None))
        )

    def outcome(
        self, intent: int, outcome: Proven, /, *, detail: str, bytes_reclaimed: int | None = None
    ) -> None:
        about = self.rows[intent]
        assert about.kind == "intent"
        assert self._final(intent) is None, "a final outcome is followed by nothing"
        if outcome == "confirmed":
            assert not self.confirmed(about.action, about.job_id), "at most one confirmed"
        self._write(
            Row(
                "outcome",
                about.action,
                about.job_id,
                intent,
                outcome,
                detail,
                None,
                bytes_reclaimed,
            )
        )

    def found_gone(
        self, action: Action, owner: Owner, job_id: JobId, /, *, policy: str, detail: str
    ) -> bool:
        for number, row in enumerate(self.rows):
            is_open = row.kind == "intent" and self._final(number) is None
            if is_open and (row.action, row.job_id) == (action, job_id):
                self.outcome(number, "confirmed", detail=detail)
                return True
        self._write(Row("found_gone", action, job_id, outcome="already_gone", detail=detail))
        return False

    def assets_deleted(self, job_id: JobId, /) -> bool:
        return any(
            row.job_id == job_id
            and row.action is Action.DELETE_ASSETS
            and row.outcome in ("confirmed", "already_gone")
            for row in self.rows
        )

    def purged(self, job_id: JobId, owner: Owner, /, *, policy: str, lost: bool) -> bool:
        if self.assets_purged(job_id) or self.assets_deleted(job_id):
            return False
        self._write(Row("purged", Action.ARCHIVE, job_id, detail="lost" if lost else ""))
        return True

    def assets_purged(self, job_id: JobId, /) -> bool:
        said = [
            row.kind
            for row in self.rows
            if row.job_id == job_id and row.kind in ("purged", "listed_again")
        ]
        return said[-1:] == ["purged"]

    def listed_again(self, job_id: JobId, owner: Owner, /) -> None:
        self._write(Row("listed_again", Action.ARCHIVE, job_id))

    def unresolved(self) -> Sequence[OpenIntent]:
        return [
            OpenIntent(
                number, row.action, row.job_id, ME, "p", NOW,
                next((one.detail for one in self.rows if one.intent == number), None),
            )
            for number, row in enumerate(self.rows)
            if row.kind == "intent" and self._final(number) is None
        ]  # fmt: skip

    def _final(self, intent: int) -> str | None:
        return next(
            (row.outcome for row in self.rows if row.intent == intent and row.outcome != "unknown"),
            None,
        )

    def confirmed(self, action: Action, job_id: JobId) -> int:
        return sum(
            row.outcome == "confirmed" and (row.action, row.job_id) == (action, job_id)
            for row in self.rows
        )

    def outcomes(self, job_id: JobId) -> list[str]:
        return [row.outcome for row in self.rows if row.job_id == job_id and row.outcome]


class FakeLease:
    def __init__(self) -> None:
        self.fence = 7
        self.idle_s: float | None = None
        self.lost = False

    def check(self) -> None:
        if self.lost:
            raise LeaseError("this run has lost the lease")


class FakeSwitch:
    def __init__(self) -> None:
        self.paused = False

    def is_paused(self) -> bool:
        return self.paused


class FakeHolds:
    def __init__(self) -> None:
        self.held: set[JobId] = set()
        self.on_look: Callable[[], None] = lambda: None

    def protects(self, job: Job, /) -> bool:
        self.on_look()
        return job.id in self.held


class FakeRetries:
    """What failed, as the state keeps it: `later` makes it the next run's."""

    def __init__(self, clock: FakeClock) -> None:
        self.rows: dict[JobId, Retry] = {}
        self.planned: dict[JobId, Retry] = {}
        self.unlisted: dict[JobId, tuple[str, int]] = {}
        self._clock = clock

    def later(self, hours: float = 0.0, **changes: bool) -> None:
        """So much time passes, and the next run plans with what is on record."""
        self._clock.passed += hours * 3600
        self.planned = {job_id: replace(retry, **changes) for job_id, retry in self.rows.items()}  # type: ignore[arg-type]

    def of(self, job_id: JobId, /) -> Retry | None:
        return self.planned.get(job_id)

    def failed(self, job_id: JobId, failing: Failing, /) -> None:
        self.rows[job_id] = failed_again(
            self.rows.get(job_id), job_id, failing, at=self._clock.now()
        )

    def done(self, job_id: JobId, /) -> None:
        self.rows.pop(job_id, None)

    def unlisted_since(self, job_id: JobId, answer: str, /, *, note: bool) -> int | None:
        said = self.unlisted.get(job_id)
        if said is not None and said[0] == answer:
            return said[1]
        if note:
            self.unlisted[job_id] = answer, self._clock.now()
        return None

    def listed(self, job_id: JobId, /) -> None:
        self.unlisted.pop(job_id, None)


def fingerprint(job: Job) -> str:
    return hashlib.sha256(repr(job).encode()).hexdigest()[:16]


def number(n: int) -> JobId:
    return JobId(f"{n:032x}")


class House:
    """All parts together, and the words to set a scene."""

    def __init__(self) -> None:
        self.effects = Effects()
        self.clock = FakeClock()
        self.sauce = FakeSauce(self.effects, self.clock)
        self.archive = FakeArchive(self.effects, self.clock)
        self.lease = FakeLease()
        self.journal = FakeJournal(self.effects, self.lease, self.clock)
        self.switch = FakeSwitch()
        self.holds = FakeHolds()
        self.retries = FakeRetries(self.clock)
        self.events: list[Event] = []
        self.tries: tuple[DeleteAddress, ...] = DELETE_ADDRESSES
        self.worked: list[DeleteAddress] = []

    def parts(self) -> ExecutionPorts:
        return ExecutionPorts(
            source=self.sauce,
            listings=self.sauce,
            gate=self.sauce,
            archive=self.archive,
            journal=self.journal,
            lease=self.lease,
            switch=self.switch,
            holds=self.holds,
            retries=self.retries,
            clock=self.clock,
            fingerprint=lambda job, _asked_at: fingerprint(job),
            events=self.events.append,
            addresses=DeleteAddresses(self.tries, self.worked.append),
        )

    def add(
        self,
        n: int,
        *,
        age_days: float = 12.0,
        assets: Mapping[str, bytes] | None = None,
        hidden: Mapping[str, bytes] | None = None,
        state: JobState = JobState.FINISHED,
        owner: Owner = ME,
    ) -> JobId:
        job_id = number(n)
        ended = NOW - int(age_days * DAY) if state is JobState.FINISHED else None
        start = NOW - int(age_days * DAY) - 60
        job = Job(
            job_id,
            owner,
            state,
            name=f"job {n}",
            status="passed" if ended else None,
            started_at=start,
            ended_at=ended,
        )
        files = {"log.json": b"[]", "video.mp4": b"film"} if assets is None else dict(assets)
        self.sauce.world[job_id] = FakeJob(job, files, dict(hidden or {}))
        return job_id

    def store(self, job_id: JobId, selection: Selection) -> None:
        """As an earlier run left it."""
        fake = self.sauce.world[job_id]
        self.archive.files[job_id] = {
            name: data for name, data in fake.assets.items() if selection.wants(name)
        }
        self.archive.discarded[job_id] = frozenset(
            name for name in fake.assets if not selection.wants(name)
        )
        self.archive.listed[job_id] = frozenset(fake.assets)

    def planned(
        self, job_id: JobId, *actions: Action, selection: Selection | None = None
    ) -> JobPlan:
        job = self.sauce.world[job_id].job
        decisions = tuple(
            Decision(action, Verdict.DUE, (Reason(ReasonWhy.DUE, "p"),), policy="p", due_since=0)
            for action in actions
        )
        return JobPlan(
            job_id,
            job.owner,
            fingerprint(job),
            decisions,
            selection,
            held=False,
            nothing_wanted_by=None if selection else "p",
        )
