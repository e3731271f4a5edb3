"""The commit protocol with everything real: HTTP to the sandbox, the gate, the archive on disk, the
state in SQLite.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from pydantic import SecretStr

from sauce_janitor.archive import Archive
from sauce_janitor.clock import CLOCK
from sauce_janitor.execute import Execution, ExecutionPorts, Outcome, carry_out, recover
from sauce_janitor.execute.delete_addresses import DeleteAddresses
from sauce_janitor.execute.events import AssetsDeleted, Event, Halt, Skip
from sauce_janitor.model.assets import EVERYTHING, Selection
from sauce_janitor.model.jobs import (
    Action,
    Decision,
    Job,
    JobId,
    JobState,
    Owner,
    Reason,
    Verdict,
    Why,
)
from sauce_janitor.operations.holds import AccountHolds
from sauce_janitor.operations.steps.account_retries import AccountRetries
from sauce_janitor.operations.wiring import archive
from sauce_janitor.operations.wiring.account_client import AccountClient
from sauce_janitor.operations.wiring.fresh_answers import FreshListings
from sauce_janitor.operations.wiring.read_backs import CheckedCopies
from sauce_janitor.retention.fingerprint import DecisionFields, fingerprint
from sauce_janitor.retention.plan.planner import JobPlan
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.core.options import Behaviours
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.state import State as Kept

ARCHIVE, DELETE_ASSETS, DELETE_JOB, STOP = (
    Action.ARCHIVE,
    Action.DELETE_ASSETS,
    Action.DELETE_JOB,
    Action.STOP,
)
FIELDS = DecisionFields(("owner", "state", "status", "tags"), ("end_time", "modification_time"))
LOGS = Selection(frozenset({"logs"}), discard_rest=True)
DAY = 86_400


class Bench:
    """One account, wired as a run wires it."""

    def __init__(self, folder: Path, sandbox: Sandbox, stack: ExitStack) -> None:
        self.sandbox = sandbox
        self.stop = threading.Event()
        connection = Connection(
            sandbox.base_url,
            sandbox.user,
            SecretStr(sandbox.access_key),
            timeout_s=5.0,
            attempts=2,
            max_wait_s=0.2,
        )
        self.client = AccountClient(connection, lambda _request: None, self.stop)
        stack.callback(self.client.close)
        self.state = stack.enter_context(Kept.open(folder / "state.db"))
        self.state.accounts.admit("eu", base_url=sandbox.base_url, username=sandbox.user)
        self.clock = CLOCK
        self.archive = stack.enter_context(
            Archive.open(folder / "archive", account="eu", known_uuid=None)
        )
        self.lease = stack.enter_context(self.state.lease("eu", "test", now=self.clock.now()))
        self.gate = stack.enter_context(closing(self.client.gate()))
        self.journal = self.state.journal.during("eu", "run-1", self.clock.now)
        self.events: list[Event] = []
        self.owner = Owner(sandbox.user)
        self.fingerprint: Callable[[Job, float], str] = lambda job, _at: fingerprint(
            job, None, FIELDS
        )

    def parts(self) -> ExecutionPorts:
        return ExecutionPorts(
            source=self.client.reader,
            listings=FreshListings(self.client.reader, self.state.jobs, "eu"),
            gate=self.gate,
            archive=archive.RunArchive(
                self.archive,
                CheckedCopies(self.archive, self.state, "eu", trust_s=None, clock=self.clock.now),
                run_id="run-1",
                base_url=self.sandbox.base_url,
            ),
            journal=self.journal,
            lease=self.lease,
            switch=self.state.switch,
            holds=AccountHolds(self.state.holds, self.archive.holds, "eu", self.clock.now),
            retries=AccountRetries(self.state.retries, "eu", self.clock.now, self.state.notes),
            clock=self.clock,
            fingerprint=self.fingerprint,
            events=self.events.append,
            addresses=DeleteAddresses(),
        )

    def jobs(
        self,
        state: JobState = JobState.FINISHED,
        *,
        oldest_days: float = 25,
        count: int | None = None,
    ) -> list[Job]:
        """Jobs of the world as it is listed, that a policy could act on."""
        page = self.client.reader.list_jobs(self.owner)
        now = self.clock.now()
        found = [
            job
            for job in page.jobs
            if job.state is state
            and (
                state is not JobState.FINISHED
                or (isinstance(job.ended_at, int) and DAY < now - job.ended_at < oldest_days * DAY)
            )
        ]
        return found[:count]

    def planned(self, job: Job, *actions: Action, selection: Selection | None = None) -> JobPlan:
        due = tuple(
            Decision(action, Verdict.DUE, (Reason(Why.DUE, "p"),), policy="p") for action in actions
        )
        nobody = None if selection else "p"
        return JobPlan(
            job.id,
            job.owner,
            self.fingerprint(job, 0.0),
            due,
            selection,
            held=False,
            nothing_wanted_by=nobody,
        )

    def carry_out(self, plan: Iterable[JobPlan], *, workers: int = 4) -> Execution:
        return carry_out(plan, self.parts(), workers=workers, stop=self.stop)

    def requests(self, since: int = 0) -> list[tuple[str, str | None]]:
        return [(str(entry.endpoint), entry.job_id) for entry in list(self.sandbox.log)[since:]]

    def deletes(self) -> Counter[str | None]:
        return Counter(entry.job_id for entry in self.sandbox.log if entry.method == "DELETE")

    def is_there(self, job: Job) -> bool:
        truth = self.sandbox.truth(job.id)
        return truth is not None and truth.exists

    def outcomes(self, job_id: JobId) -> list[str | None]:
        return [line.outcome for line in self.state.journal.of(job_id) if line.outcome]


@pytest.fixture
def open_bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    with ExitStack() as stack:

        def make(*, jobs: int = 60, behaviours: Behaviours | None = None) -> Bench:
            options = SandboxOptions(jobs=jobs, behaviours=behaviours or Behaviours())
            return Bench(tmp_path, stack.enter_context(Sandbox(options)), stack)

        yield make


def test_archived_jobs_are_proven_deleted_and_on_record(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench()
    jobs = bench.jobs(count=12)
    held = {job.id: bench.sandbox.truth(job.id) for job in jobs}
    before = len(bench.sandbox.log)
    execution = bench.carry_out(
        bench.planned(job, ARCHIVE, DELETE_JOB, selection=EVERYTHING) for job in jobs
    )
    assert execution.complete
    assert execution.count(ARCHIVE, Outcome.DONE) == execution.count(DELETE_JOB, Outcome.DONE) == 12
    assert not any(bench.is_there(job) for job in jobs)
    assert bench.deletes() == Counter(job.id for job in jobs)
    for job in jobs:
        stored = bench.archive.archived(job)
        truth = held[job.id]
        assert stored is not None
        assert truth is not None
        listed = {name: size for name, size in truth.assets.items() if not name.startswith("_")}
        assert dict(stored.stored) == listed, "every byte that Sauce held"
        kinds = [(line.kind, line.outcome) for line in bench.state.journal.of(job.id)]
        assert kinds == [("archived", None), ("intent", None), ("outcome", "confirmed")]
    assert all(
        proof.receipts and not proof.findings
        for proof in bench.archive.catalogue.proofs(account="eu")
    )
    assert bench.state.journal.verify() == 36
    files = sum(endpoint == "asset.get" for endpoint, _ in bench.requests(before))
    assert len(bench.requests(before)) <= files + 12 * (1 + 1 + 1) + 12 / 20 + 12 / 100 + 2


def test_the_order_at_the_server_is_the_order_of_effects(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench()
    job = bench.jobs(count=1)[0]
    before = len(bench.sandbox.log)
    bench.carry_out([bench.planned(job, ARCHIVE, DELETE_JOB, selection=LOGS)], workers=1)
    endpoints = [endpoint for endpoint, _ in bench.requests(before)]
    fetched = endpoints.count("asset.get")
    assert endpoints == [
        "job.get", "assets.list", *["asset.get"] * fetched, "job.get", "job.delete", "jobs.lookup",
    ]  # fmt: skip
    assert fetched > 0


def test_deleting_assets_reclaims_what_sauce_says_and_tells_of_files_it_never_listed(
    open_bench: Callable[..., Bench],
) -> None:
    bench = open_bench()
    jobs = bench.jobs(count=12)
    held = {job.id: bench.sandbox.truth(job.id) for job in jobs}
    execution = bench.carry_out(
        bench.planned(job, ARCHIVE, DELETE_ASSETS, selection=EVERYTHING) for job in jobs
    )
    told = {event.job_id: event for event in bench.events if isinstance(event, AssetsDeleted)}
    assert all(bench.is_there(job) for job in jobs)
    for job in jobs:
        truth = held[job.id]
        assert truth is not None
        if job.id in told and told[job.id].size_bytes is not None:
            assert told[job.id].size_bytes == sum(truth.assets.values())
            assert set(told[job.id].unlisted) == {
                name for name in truth.assets if name.startswith("_")
            }
    assert execution.differing == ()
    assert execution.reclaimed_bytes > 0
    assert execution.complete


def test_two_hundred_unwanted_jobs_cost_little_more_than_a_request_each(
    open_bench: Callable[..., Bench],
) -> None:
    bench = open_bench(jobs=400)
    jobs = bench.jobs(oldest_days=60, count=200)
    before = len(bench.sandbox.log)
    execution = bench.carry_out(bench.planned(job, DELETE_JOB) for job in jobs)
    assert execution.count(DELETE_JOB, Outcome.DONE) == len(jobs) == 200
    assert len(bench.requests(before)) == 200 + 10 + 2


FAULTS: dict[str, tuple[str, dict[str, object]]] = {
    "a 500 though done": ("done_but_status", {"endpoint": "job.delete"}),
    "no answer though done": ("done_but_disconnected", {"endpoint": "job.delete"}),
    "a 204 without effect": ("without_effect", {"endpoint": "job.delete"}),
    "a 503": ("status", {"endpoint": "job.delete", "status": 503}),
    "a 404 for a job that lives": ("status", {"endpoint": "job.delete", "status": 404}),
    "a redirect": ("redirect", {"endpoint": "job.delete"}),
    "a page of HTML": ("html", {"endpoint": "job.delete", "status": 200}),
    "details cut short": ("truncated", {"endpoint": "job.get"}),
    "an asset cut short": ("truncated", {"endpoint": "asset.get"}),
    "a list that breaks off": ("disconnect", {"endpoint": "assets.list"}),
    "no look-up to confirm by": ("status", {"endpoint": "jobs.lookup", "status": 503}),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_strikes_twice_is_survived_by_the_next_run(
    open_bench: Callable[..., Bench], name: str
) -> None:
    fault, settings = FAULTS[name]
    bench = open_bench()
    jobs = bench.jobs(count=6)
    struck = bench.sandbox.inject(fault, times=2, **settings)

    def plan() -> list[JobPlan]:
        wishes = [(ARCHIVE, DELETE_JOB), (DELETE_JOB,)]
        return [
            bench.planned(job, *wishes[n % 2], selection=LOGS if n % 2 == 0 else None)
            for n, job in enumerate(jobs)
            if bench.is_there(job)
        ]

    for _ in range(2):
        recover(bench.client.reader, bench.journal)
        bench.carry_out(plan())
    recovery = recover(bench.client.reader, bench.journal)
    assert struck.fired == 2
    assert not any(bench.is_there(job) for job in jobs)
    assert recovery.open == 0
    assert all(
        bench.outcomes(job.id).count("confirmed") + bench.outcomes(job.id).count("already_gone")
        == 1
        for job in jobs
    )
    assert bench.deletes().keys() == {job.id for job in jobs}
    for job in jobs[::2]:
        assert bench.archive.archived(job) is not None
    bench.state.journal.verify()


def test_an_asset_that_appeared_after_the_receipt_is_archived_before_the_delete(
    open_bench: Callable[..., Bench],
) -> None:
    bench = open_bench()
    job = bench.jobs(count=1)[0]
    bench.sandbox.inject("late_asset", endpoint="asset.get", times=1, name="late.log", text="late")
    bench.carry_out([bench.planned(job, ARCHIVE, selection=LOGS)])
    bench.carry_out([bench.planned(job, DELETE_JOB, selection=LOGS)])
    stored = bench.archive.archived(job)
    assert stored is not None
    assert "late.log" in stored.stored
    assert not bench.is_there(job)
    receipts = [line.receipt for line in bench.state.journal.of(job.id) if line.kind == "archived"]
    assert len(set(receipts)) == 2
    assert stored.sha256 == receipts[-1]


def test_a_tag_set_while_assets_are_fetched_prevents_the_delete(
    open_bench: Callable[..., Bench],
) -> None:
    bench = open_bench()
    job = bench.jobs(count=1)[0]
    bench.sandbox.inject("late_edit", endpoint="asset.get", times=1)
    execution = bench.carry_out([bench.planned(job, ARCHIVE, DELETE_JOB, selection=LOGS)])
    assert bench.is_there(job)
    assert execution.skips == {Skip.CHANGED: 1}
    assert bench.deletes() == Counter()


def test_clocks_that_differ_let_no_delete_leave(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench()
    jobs = bench.jobs(count=3)
    bench.sandbox.inject("clock_skew", seconds=900)
    execution = bench.carry_out(bench.planned(job, DELETE_JOB) for job in jobs)
    assert execution.halted is not None
    assert execution.halted.why is Halt.CLOCK
    assert bench.deletes() == Counter()


def test_a_hold_a_pause_and_a_lost_lease_in_the_state_are_obeyed(
    open_bench: Callable[..., Bench],
) -> None:
    bench = open_bench()
    held, paused, lost = bench.jobs(count=3)
    bench.state.holds.add(
        "eu", [held.id], by="me", reason="audit", at=bench.clock.now(), until=None
    )
    assert bench.carry_out([bench.planned(held, DELETE_JOB)]).skips == {Skip.HELD: 1}
    bench.state.switch.pause(by="me", reason="look", at=bench.clock.now())
    halted = bench.carry_out([bench.planned(paused, DELETE_JOB)]).halted
    assert halted is not None
    assert halted.why is Halt.PAUSED
    bench.state.switch.resume(by="me", at=bench.clock.now())
    bench.lease.release()
    halted = bench.carry_out([bench.planned(lost, DELETE_JOB)]).halted
    assert halted is not None
    assert halted.why is Halt.LEASE
    assert bench.deletes() == Counter()


def test_wrong_credentials_end_the_run_at_once(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench()
    jobs = bench.jobs(count=6)
    before = len(bench.sandbox.log)
    bench.sandbox.inject("status", status=401)
    execution = bench.carry_out((bench.planned(job, DELETE_JOB) for job in jobs), workers=1)
    assert execution.halted is not None
    assert execution.halted.why is Halt.CREDENTIALS
    assert len(bench.requests(before)) <= 2
    assert bench.deletes() == Counter()


def test_a_runaway_job_is_stopped(open_bench: Callable[..., Bench]) -> None:
    bench = open_bench(jobs=2000)
    running = bench.jobs(JobState.RUNNING, count=1)
    assert running
    execution = bench.carry_out([bench.planned(running[0], STOP)])
    assert execution.count(STOP, Outcome.DONE) == 1
    assert bench.outcomes(running[0].id) == ["confirmed"]


def test_a_purged_job_goes_with_its_document_alone_on_the_shelf(
    open_bench: Callable[..., Bench],
) -> None:
    bench = open_bench(jobs=300)
    now = bench.clock.now()
    purged = next(job for job in bench.jobs(oldest_days=60) if now - _end(job) > 31 * DAY)
    execution = bench.carry_out([bench.planned(purged, ARCHIVE, DELETE_JOB, selection=EVERYTHING)])
    stored = bench.archive.archived(purged)
    assert stored is not None
    assert dict(stored.stored) == {}
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1


@pytest.mark.parametrize("gone", ["404", "empty", "nulls"])
def test_a_job_goes_after_its_assets_went_before_it(
    open_bench: Callable[..., Bench], gone: str
) -> None:
    bench = open_bench(behaviours=Behaviours().changed({"deleted_assets": gone}))
    job = bench.jobs(count=1)[0]
    bench.carry_out([bench.planned(job, ARCHIVE, DELETE_ASSETS, selection=EVERYTHING)])
    execution = bench.carry_out([bench.planned(job, DELETE_JOB, selection=EVERYTHING)])
    assert execution.count(DELETE_JOB, Outcome.DONE) == 1
    assert not bench.is_there(job)


def test_without_a_look_up_every_job_is_asked_about_before_its_delete_and_confirmed_later(
    open_bench: Callable[..., Bench],
) -> None:
    bench = open_bench(behaviours=Behaviours().changed({"batch_lookup": "off"}))
    jobs = bench.jobs(count=5)
    execution = bench.carry_out(bench.planned(job, DELETE_JOB) for job in jobs)
    assert execution.unconfirmed == 5
    assert [bench.outcomes(job.id) for job in jobs] == [["unknown"]] * 5
    recovery = recover(
        bench.client.reader,
        bench.journal,
        absent=lambda one: not bench.is_there(_by_id(jobs, one.job_id)),
    )
    assert recovery.confirmed == 5
    assert [bench.outcomes(job.id) for job in jobs] == [["unknown", "confirmed"]] * 5


def _end(job: Job) -> int:
    assert isinstance(job.ended_at, int)
    return job.ended_at


def _by_id(jobs: list[Job], job_id: JobId) -> Job:
    return next(job for job in jobs if job.id == job_id)
