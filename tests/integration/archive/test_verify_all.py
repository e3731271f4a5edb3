"""Verifying an archive of many jobs: side by side, by shares, interrupted and gone on with, and
against the journal.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sauce_janitor.archive import Archive, Proof
from sauce_janitor.archive.verify import ArchiveScope, JobSampleShare, prove_all
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.archive import archive as group
from sauce_janitor.config import Config, load
from sauce_janitor.errors import ConfigError
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.operations.daily_verification import verify_daily
from sauce_janitor.operations.verify import VerifyContext, VerifyScope, verify
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.state import State
from tests.fakes.asset_shelf import ENDED_AT, LOG, MP4, AssetShelf, document
from tests.support.archive import ORIGIN, VIDEO_ONLY, tree

JOBS = 12
CONFIG = """\
version: 1
accounts: {eu: {region: eu-central-1}}
archive: {path: ./archive}
state: {path: ./state.db}
policies: [{name: everything, default: true, then: {archive: 5d}}]
"""


@pytest.fixture
def state(root: Path) -> Iterator[State]:
    with State.open(root.parent / "state.db") as opened:
        opened.accounts.admit("eu", base_url="https://api.example.com", username="alice")
        yield opened


@pytest.fixture
def config(root: Path) -> Path:
    path = root.parent / "config.yaml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def filled(archive: Archive, state: State) -> Archive:
    """Twelve jobs of alice and bob on two days, on record in the journal; the first has two
    receipts.
    """
    shelf = AssetShelf({"video.mp4": MP4, "log.json": LOG})
    journal = state.journal.during("eu", "run-1", lambda: ENDED_AT)
    for number in (*range(1, JOBS + 1), 1):
        owner = "bob" if number > 9 else "alice"
        stored_job = document(number, owner, ended_at=ENDED_AT - 86_400 * (number % 2))
        selection = VIDEO_ONLY if number == 1 and not archive.catalogue.receipts_of(
            "eu", stored_job.job.owner, stored_job.job.id, ended_at=stored_job.job.ended_at  # type: ignore[arg-type]
        )[1] else EVERYTHING  # fmt: skip
        stored = archive.store(stored_job, shelf.listing, selection, shelf.fetch, ORIGIN)
        job = stored_job.job
        journal.archived(
            job.id, job.owner, receipt=stored.sha256, selection=stored.key, policy="nightly"
        )
    state.identity.remember_archive(archive.catalogue.root.at(), archive.uuid)
    return archive


def run(config: Path, *arguments: str) -> Result:
    session = Session(config, None, "info", None)
    return CliRunner().invoke(group, ("verify", *arguments), obj=session, catch_exceptions=True)


def folder_of(archive: Archive, number: int) -> Path:
    (place,) = (place for place in archive.catalogue.places() if place[-1] == f"{number:032x}")
    return Path(archive.catalogue.root.at()).joinpath(*place)


def test_many_at_once_find_what_one_by_one_finds_and_in_the_same_order(filled: Archive) -> None:
    (folder_of(filled, 5) / "assets/video.mp4").write_bytes(MP4[:-1] + b"!")
    one_by_one = list(filled.catalogue.proofs())

    assert [
        proof for _, proof in prove_all(filled.catalogue, ArchiveScope(), workers=5)
    ] == one_by_one
    assert sum(len(proof.findings) for proof in one_by_one) == 1


def test_it_goes_on_behind_any_place_without_leaving_one_out(filled: Archive) -> None:
    places = list(filled.catalogue.places())
    assert len(places) == JOBS
    for done, place in enumerate(places, 1):
        rest = [found for found, _ in prove_all(filled.catalogue, ArchiveScope(after=place))]
        assert rest == places[done:]


def test_the_shares_of_consecutive_days_are_all_jobs_each_once(filled: Archive) -> None:
    shares = [
        {
            place
            for place, _ in prove_all(
                filled.catalogue, ArchiveScope(sample=JobSampleShare.of(0.25, turn))
            )
        }
        for turn in range(7, 11)
    ]

    assert sorted(place for share in shares for place in share) == list(filled.catalogue.places())


def test_a_link_in_place_of_a_folder_is_found_by_a_sample_too(filled: Archive, root: Path) -> None:
    (root / "eu" / "carol").symlink_to(root / "eu" / "bob")

    findings = [
        found
        for _, proof in prove_all(filled.catalogue, ArchiveScope(sample=JobSampleShare(1000, 1)))
        for found in proof.findings
    ]

    assert [str(found) for found in findings] == ["eu/carol/: link (a link in place of a folder)"]


def stop_after(jobs: int, stop: threading.Event) -> Callable[[Proof], None]:
    seen: list[Proof] = []

    def told(proof: Proof) -> None:
        seen.append(proof)
        if len(seen) == jobs:
            stop.set()

    return told


def test_an_interrupted_verification_is_gone_on_with(
    filled: Archive, state: State, config: Path
) -> None:
    (folder_of(filled, 12) / "assets/video.mp4").unlink()
    (folder_of(filled, 2) / "assets/video.mp4").unlink()
    whole = verify(VerifyScope(), VerifyContext(filled.catalogue, state))
    stop = threading.Event()
    first = verify(VerifyScope(), VerifyContext(filled.catalogue, state, stop, stop_after(5, stop)))
    assert (first.jobs, first.complete) == (5, False)

    answer = run(config, "--resume", "--format", "json")

    said = json.loads(answer.stdout)
    assert answer.exit_code == 6
    assert (said["jobs"], said["resumed"], said["complete"]) == (JOBS, 5, True)
    assert (said["files"], said["size_bytes"]) == (whole.files, whole.size_bytes)
    assert [found["place"] for found in said["findings"]] == [
        found.place for found in whole.findings
    ]


def test_one_that_is_killed_goes_on_from_what_was_remembered(filled: Archive, state: State) -> None:
    def die(proof: Proof) -> None:
        if proof.place.endswith(f"{4:032x}"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        verify(VerifyScope(), VerifyContext(filled.catalogue, state, on_proof=die))

    done = verify(VerifyScope(resume=True), VerifyContext(filled.catalogue, state))
    assert (done.complete, done.jobs >= JOBS) == (True, True)


def test_there_is_nothing_to_go_on_with_after_the_end_or_before_the_beginning(
    filled: Archive, config: Path
) -> None:
    for _ in range(2):
        wrong = run(config, "--resume").exception
        assert isinstance(wrong, ConfigError)
        assert "no interrupted verification" in str(wrong)
        assert run(config).exit_code == 0
    assert filled


@pytest.mark.parametrize(
    "arguments", [("--resume", "--sample", "5%"), ("--sample", "0%"), ("--sample", "5")]
)
def test_a_wish_that_makes_no_sense_is_refused(config: Path, arguments: tuple[str, ...]) -> None:
    assert run(config, *arguments).exit_code == 2


def test_a_receipt_edited_with_all_its_files_is_not_the_journals(
    filled: Archive, config: Path
) -> None:
    folder = folder_of(filled, 3)
    receipt = folder / "receipt.json"
    receipt.write_bytes(
        receipt.read_bytes().replace(b'"policy": "nightly"', b'"policy": "mischief"')
    )
    assert not filled.catalogue.prove(
        next(p for p in filled.catalogue.places() if p[-1] == folder.name)
    ).findings

    answer = run(config)

    assert answer.exit_code == 6
    assert "receipt.json: receipt (the journal has it with SHA-256" in answer.stdout


def test_the_newest_receipt_removed_with_its_files_is_missed(filled: Archive, config: Path) -> None:
    folder = folder_of(filled, 1)
    (folder / "receipt-2.json").unlink()
    shutil.rmtree(folder / "assets-2")

    answer = run(config, folder.name)

    assert answer.exit_code == 6
    assert "the journal has it with SHA-256" in answer.stdout


def test_a_job_removed_whole_is_missed(filled: Archive, config: Path) -> None:
    shutil.rmtree(folder_of(filled, 11))

    answer = run(config)

    assert answer.exit_code == 6
    assert (
        f"eu/bob/…/{11:032x}/receipt.json: missing (the journal has it as archived (line 11)"
        in answer.stdout
    )
    assert run(config, "--owner", "alice").exit_code == 0


def test_without_a_state_it_says_what_was_not_compared(
    filled: Archive, config: Path, state: State
) -> None:
    state.close()
    (config.parent / "state.db").rename(config.parent / "elsewhere.db")

    answer = run(config)

    assert (answer.exit_code, "not compared with its journal" in answer.output) == (0, True)
    assert not (config.parent / "state.db").exists()
    assert filled


def test_nothing_in_the_archive_changes_by_it(filled: Archive, config: Path, root: Path) -> None:
    (folder_of(filled, 5) / "assets/video.mp4").write_bytes(b"damaged")
    before = tree(root)

    assert run(config).exit_code == 6
    assert tree(root) == before


def tools_of(config: Config, state: State, day: int) -> RunContext:
    class Silent:
        def phase(self, account: str, phase: str, total: int | None = None) -> None: ...
        def step(self, count: int = 1) -> None: ...

    return RunContext(config, state, Metrics(), Silent(), clock=lambda: day * 86_400.0)


def test_the_daily_verification_comes_to_every_job_in_its_turn_and_tells_the_metrics(
    filled: Archive, state: State, config: Path
) -> None:
    (folder_of(filled, 7) / "assets/video.mp4").unlink()
    loaded = load(config)
    done = []
    for day in range(20_000, 20_004):
        tools = tools_of(loaded, state, day)
        done.append(verify_daily(loaded.accounts[0], tools, share=0.25))
        page = tools.metrics.page().decode()
        assert f'sauce_janitor_archive_findings{{account="eu"}} {len(done[-1].findings)}.0' in page
        assert (
            f'sauce_janitor_last_verification_timestamp_seconds{{account="eu"}} {day * 86_400.0!r}'[
                :60
            ]
            in page
        )
    assert sum(each.jobs for each in done) == JOBS
    assert sum(len(each.findings) for each in done) == 1
