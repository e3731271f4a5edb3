"""The client against the sandbox: one account read whole, its assets fetched, its jobs deleted."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from sauce_janitor.clock import CLOCK
from sauce_janitor.errors import CredentialsError, NotReadyError, SourceError
from sauce_janitor.model.jobs import UNKNOWN, Job, JobId, JobState, Owner, job_id
from sauce_janitor.model.permits import (
    DELETE_ADDRESSES,
    DeleteAddress,
    DeleteAssetsPermit,
    DeleteJobPermit,
    ManualStopPermit,
    Receipt,
    StopPermit,
    UpdatePermit,
)
from sauce_janitor.sandbox import Behaviours, Sandbox, SandboxOptions
from sauce_janitor.sandbox.faults.decorators import SETTINGS
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.gate import Gate
from sauce_janitor.sauce.http.connection import Connection

NOW = 1_760_000_000
DEMO = Owner("demo")
PROOF = Receipt("0" * 64)
TLS = Path(__file__).parents[2] / "data" / "tls"


class Party:
    """A sandbox, and both clients of its main user."""

    def __init__(self, sandbox: Sandbox, connection: Connection, stack: ExitStack) -> None:
        self.sandbox = sandbox
        self.connection = connection
        self.reader = stack.enter_context(SauceReader(connection))
        self.gate = stack.enter_context(Gate(connection, self.reader.budget))

    def jobs(self, state: JobState = JobState.FINISHED) -> Iterator[Job]:
        return (job for job in self.reader.list_jobs(DEMO).jobs if job.state is state)

    def job_with_assets(self) -> JobId:
        return next(job.id for job in self.jobs() if self.reader.assets(DEMO, job.id))


Start = Callable[..., Party]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def starting(
            *, behaviours: dict[str, str] | None = None, jobs: int = 300, **changes: object
        ) -> Party:
            options = SandboxOptions(
                jobs=jobs, now=NOW, behaviours=Behaviours().changed(behaviours or {})
            )
            sandbox = stack.enter_context(Sandbox(options))
            plain = Connection(
                sandbox.base_url, sandbox.user, SecretStr(sandbox.access_key), max_wait_s=0.05
            )
            return Party(sandbox, replace(plain, **changes), stack)  # type: ignore[arg-type]  # by name

        yield starting


def job_permit(job: JobId, address: DeleteAddress) -> DeleteJobPermit:
    return DeleteJobPermit(job, DEMO, PROOF, "f", CLOCK.monotonic(), 1, address=address)


def test_every_job_of_an_account_is_listed_and_readable(start: Start) -> None:
    party = start(jobs=1200)
    ids: list[str] = []
    while len(ids) < 1200:
        page = party.reader.list_jobs(DEMO, limit=500, skip=len(ids))
        assert page.rejected == ()
        assert all(job.created_at is not None and isinstance(job.tags, tuple) for job in page.jobs)
        ids += page.ids
    assert ids == list(party.sandbox.job_ids())
    assert party.reader.requests_made == 3


def test_a_row_in_full_says_the_same_as_the_details_and_the_batch(start: Start) -> None:
    party = start()
    rows = {job.id: job for job in party.reader.list_jobs(DEMO).jobs[:40]}
    batch = party.reader.jobs(rows)
    assert batch is not None
    for one, row in rows.items():
        details = party.reader.job(DEMO, one)
        assert details is not None
        assert details.job == batch[one].job == row


def test_every_asset_comes_as_the_vendor_holds_it(start: Start) -> None:
    for compression in ("accepted", "always", "never"):
        party = start(behaviours={"compression": compression})
        jobs = [job.id for job in party.jobs()][:15]
        fetched = 0
        for one in jobs:
            listing = party.reader.assets(DEMO, one)
            for name in listing.names if listing else ():
                with party.reader.open_asset(DEMO, one, name) as body:
                    assert b"".join(body) == party.sandbox.asset(one, name)
                    assert body.framed
                fetched += 1
        assert fetched > 50


def test_assets_behind_the_redirect_come_without_the_credential(start: Start) -> None:
    party = start(behaviours={"asset_redirect": "on"})
    one = party.job_with_assets()
    listing = party.reader.assets(DEMO, one)
    assert listing is not None
    with party.reader.open_asset(DEMO, one, listing.names[0]) as body:
        assert b"".join(body) == party.sandbox.asset(one, listing.names[0])


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "a\0b", "ü ?#%.log", "VIDEO.MP4", "trace.json.gz", "x" * 200]
)
def test_a_hostile_name_is_fetched_by_its_very_name(start: Start, name: str) -> None:
    party = start(behaviours={"compression": "always"})
    one = party.job_with_assets()
    data = gzip.compress(b"trace" * 999) if name.endswith(".gz") else b"mine"
    party.sandbox.upload(one, name, data)
    listing = party.reader.assets(DEMO, one)
    assert listing is not None
    assert name in listing.names
    with party.reader.open_asset(DEMO, one, name) as body:
        assert b"".join(body) == data


def test_an_unfinished_jobs_assets_are_not_ready(start: Start) -> None:
    party = start()
    running = next(party.jobs(JobState.RUNNING))
    with pytest.raises(NotReadyError, match="finished"):
        party.reader.assets(DEMO, running.id)


def test_deleting_is_done_and_seen(start: Start) -> None:
    for path in DELETE_ADDRESSES:
        party = start(behaviours={"delete_path": path})
        other: DeleteAddress = "v1" if path == "v1.1" else "v1.1"
        one = party.job_with_assets()
        truth = party.sandbox.truth(one)
        assert truth is not None
        answer = party.gate.delete_assets(
            DeleteAssetsPermit(one, DEMO, PROOF, "f", CLOCK.monotonic(), 1)
        )
        assert answer.deleted is not None
        assert dict(answer.deleted) == truth.assets
        again = party.gate.delete_assets(
            DeleteAssetsPermit(one, DEMO, PROOF, "f", CLOCK.monotonic(), 1)
        )
        assert (again.status, again.doubtful) == (400, False)
        assert party.gate.delete_job(job_permit(one, other)).status == 404
        assert party.reader.job(DEMO, one) is not None
        assert not party.gate.delete_job(job_permit(one, path)).doubtful
        assert party.reader.job(DEMO, one) is None
        assert party.reader.jobs([one]) == {}
        assert party.gate.delete_job(job_permit(one, path)).status == 404


def test_a_runaway_job_is_stopped(start: Start) -> None:
    party = start()
    one = next(party.jobs(JobState.RUNNING)).id
    assert party.gate.stop(StopPermit(one, DEMO, "f", CLOCK.monotonic(), 1)).status == 200
    details = party.reader.job(DEMO, one)
    assert details is not None
    assert details.job.state is JobState.FINISHED


def test_builds_are_the_same_by_both_apis(start: Start) -> None:
    newer, older = (
        start(behaviours={"builds_v2": switch}).reader.builds(DEMO) for switch in ("on", "off")
    )
    assert newer is not None
    assert older is not None
    mine = {build.id: (build.name, build.status, build.jobs, build.open_jobs) for build in older}
    seen = {build.id: (build.name, build.status, build.jobs, build.open_jobs) for build in newer}
    assert mine
    assert mine.items() <= seen.items()


def test_the_jobs_of_a_build_are_the_same_by_both_apis_and_none_where_neither_knows_it(
    start: Start,
) -> None:
    newer, older = (start(behaviours={"builds_v2": switch}) for switch in ("on", "off"))
    build = next(
        build for build in newer.reader.builds(DEMO) or () if build.jobs not in (0, UNKNOWN)
    )
    found, same = (
        newer.reader.build_records.members(build.id),
        older.reader.build_records.members(build.id),
    )
    assert found is not None
    assert same is not None
    members = list(found)
    assert len(members) == build.jobs
    assert {each.id for each in members} == {each.id for each in same}
    assert newer.reader.build_records.members("nonsense") is None
    assert older.sandbox.log[-1].path == f"/rest/v1/builds/{build.id}/jobs?full=1"


def test_without_a_look_up_by_ids_none_is_said_once_and_asked_no_more(start: Start) -> None:
    party = start(behaviours={"batch_lookup": "off"})
    ids = [job_id(one) for one in party.sandbox.job_ids()][:3]
    assert [party.reader.jobs(ids) for _ in range(3)] == [None] * 3
    assert sum(entry.endpoint == "jobs.lookup" for entry in party.sandbox.log) == 1
    assert all(party.reader.job(DEMO, one) is not None for one in ids)


def test_without_builds_of_either_kind_none_is_said(start: Start) -> None:
    party = start(behaviours={"builds_v2": "off"})
    party.sandbox.inject("status", endpoint="builds.*", status=404)
    assert party.reader.builds(DEMO) is None
    assert party.reader.build("b") is None
    assert party.reader.build_records.members("b") is None


def test_a_job_is_updated_and_stopped_by_hand(start: Start) -> None:
    party = start()
    one = next(party.jobs(JobState.RUNNING)).id
    body = (
        '{"tags": ["keep", "ü"], "custom-data": {"team": "qa"}, "public": "private", "passed":'
        " true}"
    )
    assert party.gate.update(UpdatePermit(one, DEMO, body, CLOCK.monotonic())).status == 200
    assert party.gate.stop(ManualStopPermit(one, DEMO, CLOCK.monotonic())).status == 200
    details = party.reader.job(DEMO, one)
    assert details is not None
    job = details.job
    assert (job.tags, job.public, job.custom_data, job.status) == (
        ("keep", "ü"),
        "private",
        {"team": "qa"},
        "passed",
    )
    assert [entry.updated for entry in party.sandbox.log.writes()] == [True, False]


def test_wrong_credentials_end_it(start: Start) -> None:
    party = start(access_key=SecretStr("wrong"))
    with pytest.raises(CredentialsError):
        party.reader.list_jobs(DEMO)


def test_many_threads_share_one_client(start: Start) -> None:
    party = start()
    ids = [job_id(one) for one in party.sandbox.job_ids()]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda one: party.reader.job(DEMO, one), ids))
    assert [document.job.id for document in found if document is not None] == ids
    assert party.reader.requests_made == len(ids)


@pytest.mark.parametrize("fault", sorted(SETTINGS))
def test_no_fault_ends_in_anything_but_an_answer_or_a_clear_error(start: Start, fault: str) -> None:
    party = start(jobs=60, timeout_s=0.2, timeout_total_s=0.4, attempts=1)
    one, listing = None, None
    for _ in range(5):  # 0.4 s may be too short for a busy machine, and nothing is wrong yet
        with suppress(SourceError):
            one = one or party.job_with_assets()
            listing = listing or party.reader.assets(DEMO, one)
    assert one is not None
    assert listing is not None
    party.sandbox.inject(fault)

    def asset() -> bytes:
        with party.reader.open_asset(DEMO, one, listing.names[0]) as body:
            return b"".join(body)

    acts: list[Callable[[], object]] = [
        lambda: party.reader.list_jobs(DEMO),
        lambda: party.reader.job(DEMO, one),
        lambda: party.reader.jobs([one]),
        lambda: party.reader.assets(DEMO, one),
        asset,
        lambda: list(party.reader.builds(DEMO) or ()),
    ]
    for act in acts:
        try:
            act()
        except SourceError as error:
            assert str(error).isprintable()  # noqa: PT017 - raising is only one of the two ends that are right
    answer = party.gate.delete_job(job_permit(one, "v1.1"))
    truth = party.sandbox.truth(one)
    assert truth is not None
    assert answer.doubtful or not truth.exists or fault == "without_effect"


def test_tls_is_verified_and_a_custom_authority_can_be_given() -> None:
    options = SandboxOptions(
        jobs=10, now=NOW, certificate=TLS / "loopback.pem", private_key=TLS / "loopback-key.pem"
    )
    with Sandbox(options) as sandbox:
        plain = Connection(
            sandbox.base_url, sandbox.user, SecretStr(sandbox.access_key), attempts=1
        )
        with (
            SauceReader(plain) as reader,
            pytest.raises(SourceError, match=r"certificate .* is not trusted .* set ca_bundle"),
        ):
            reader.list_jobs(DEMO)
        with SauceReader(replace(plain, ca_bundle=str(TLS / "loopback.pem"))) as reader:
            assert len(reader.list_jobs(DEMO).ids) == 10
