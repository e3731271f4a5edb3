"""`assets ID --delete`: one job's files go at a person's word, and only what was archived and
verified goes.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sauce_janitor.cli.confirmation import current_user
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.operations.delete_assets import AssetsOrder, delete_assets
from sauce_janitor.operations.wiring.run_settings import RunContext
from tests.support.commands import DAY, Commands, Quiet

POLICIES = """
holds: [{tag: keep}]
limits: {max_percent: 1}
policies:
  - {name: last, match: all, keep: [{last: 1000}], then: {archive: none, delete_job: 10d}}
"""


@pytest.fixture
def desk(open_desk: Callable[..., Commands]) -> Commands:
    made = open_desk(jobs=30)
    made.configure(POLICIES)
    return made


@pytest.fixture
def job(desk: Commands) -> JobId:
    """A finished job with assets, some days old."""
    young = (JobId(one) for one in desk.sandbox.job_ids() if files(desk, JobId(one)))
    return next(one for one in young if age(desk, one) > DAY)


def files(desk: Commands, job: JobId) -> set[str]:
    found = desk.sandbox.truth(job)
    assert found is not None
    return set(found.assets)


def age(desk: Commands, job: JobId) -> float:
    found = desk.sandbox.truth(job)
    assert found is not None
    ended = found.document["end_time"]
    return desk.sandbox.world.clock() - ended if isinstance(ended, int) else 0


def delete(desk: Commands, job: JobId, *options: str, code: int = 0) -> str:
    said = desk.say("assets", job, "--delete", *options, code=code)
    return said.stdout + said.stderr + str(said.exception or "")


def kinds(desk: Commands, job: JobId) -> list[tuple[str, str | None]]:
    return [(line.kind, line.policy) for line in desk.state.journal.of(job)]


def test_the_assets_of_one_job_are_archived_and_then_deleted(desk: Commands, job: JobId) -> None:
    names = files(desk, job)
    said = delete(desk, job, "--yes")
    assert files(desk, job) == set()
    assert desk.writes() == [("DELETE", job)]
    assert "each verified" in said
    assert {policy for _, policy in kinds(desk, job)} == {"(by hand)"}
    shown = desk.say("archive", "show", job).stdout
    assert all(name in shown for name in names)
    assert desk.say("prove").return_value == 0
    assert f"by hand ({current_user()})" in desk.say("explain", job).stdout
    assert delete(desk, job, "--yes").startswith("Nothing to do")
    assert len(desk.writes()) == 1


def test_a_dry_run_and_a_missing_yes_delete_nothing(desk: Commands, job: JobId) -> None:
    names = files(desk, job)
    assert f"would archive and delete all assets of {job}" in delete(
        desk, job, "--dry-run", "--yes"
    )
    assert "add --yes" in delete(desk, job, code=2)
    assert files(desk, job) == names
    assert desk.writes() == []
    assert not (desk.folder / "archive").exists()


def test_a_held_a_paused_and_an_unfinished_job_keep_their_assets(
    desk: Commands, job: JobId
) -> None:
    desk.say("hold", "add", job, "--reason", "audit")
    for options in (("--yes",), ("-n",)):
        assert "held by a local hold" in delete(desk, job, *options, code=3)
    desk.say("hold", "release", job, "--yes")
    desk.sandbox.edit(job, tags=["keep"])
    assert "held by tag keep" in delete(desk, job, "--yes", code=3)
    desk.sandbox.edit(job, tags=[])
    desk.say("pause", "--reason", "look")
    assert "paused" in delete(desk, job, "--yes", code=3)
    desk.say("resume", "--yes")
    desk.sandbox.edit(job, status="in progress", end_time=None)
    assert "not finished" in delete(desk, job, "--yes", code=3)
    assert desk.writes() == []


def test_the_listing_for_a_deletion_binds_the_account_as_any_other(
    desk: Commands, job: JobId
) -> None:
    delete(desk, job, "--dry-run")
    assert desk.state.accounts.all()["box"].is_bound


def test_what_goes_without_a_copy_is_said_before_and_after(desk: Commands, job: JobId) -> None:
    """The configuration forbids to store it; else "archive and delete all assets" is all that a
    person reads.
    """
    path, archive = desk.folder / "config.yaml", "archive: {path: ./archive"
    path.write_text(
        path.read_text().replace(archive, f"{archive}, forbid: [{{match: all, assets: [video]}}]")
    )
    told = "its video without a copy, as archive.forbid says"
    assert f"would delete {told}" in delete(desk, job, "--dry-run")
    assert told in delete(desk, job, code=2)
    assert files(desk, job)
    assert f"Deleted {told}" in delete(desk, job, "--yes")
    assert files(desk, job) == set()


def test_what_cannot_be_archived_whole_is_not_deleted(desk: Commands, job: JobId) -> None:
    desk.sandbox.inject("ghost_file", endpoint="assets.list", job=job)
    delete(desk, job, "--yes", code=4)
    assert files(desk, job)
    assert desk.writes() == []


def test_a_copy_that_is_damaged_meanwhile_is_restored_before_the_delete(
    desk: Commands, job: JobId
) -> None:
    desk.sandbox.inject("disconnect", endpoint="assets.delete", times=1)
    delete(desk, job, "--yes", code=4)
    (log, *_) = (desk.folder / "archive").rglob("log.json")
    log.write_bytes(b"rotten" + log.read_bytes()[6:])
    assert "fetched again from Sauce Labs" in delete(desk, job, "--yes")
    assert files(desk, job) == set()


def test_a_job_that_changed_since_it_was_shown_keeps_its_assets(desk: Commands, job: JobId) -> None:
    config = desk.config
    tools, account = RunContext(config, desk.state, Metrics(), Quiet()), config.account("box")
    looked = delete_assets(account, tools, AssetsOrder(job, Owner("demo"), "me"))
    assert looked.planned is not None
    desk.sandbox.edit(job, tags=["urgent"])
    shown = AssetsOrder(job, Owner("demo"), "me", execute=True, shown=looked.planned.fingerprint)
    done = delete_assets(account, tools, shown)
    assert done.reasons == ("it changed since it was shown",)
    assert desk.writes() == []


def test_a_job_that_is_held_in_the_last_moment_keeps_its_assets_and_it_is_said(
    desk: Commands, job: JobId
) -> None:
    desk.say("jobs")
    desk.sandbox.inject("late_edit", endpoint="asset.get", job=job, times=1)
    assert "not deleted" in delete(desk, job, "--yes", code=4)
    assert files(desk, job)
    assert desk.writes() == []


def test_the_deletion_takes_nothing_from_what_runs_remember(desk: Commands, job: JobId) -> None:
    """Retries of other jobs, the accepted plan and the day's look for purges are those of runs
    about all jobs.
    """
    other = next(
        JobId(one)
        for one in desk.sandbox.job_ids()
        if one != job and files(desk, JobId(one)) and age(desk, JobId(one)) > DAY
    )
    desk.configure("policies: [{name: old, match: all, then: {archive: 1h, delete_job: 3650d}}]")
    desk.sandbox.inject("ghost_file", endpoint="assets.list", job=other)
    desk.run(execute=True)
    before = desk.state.retries.of("box")
    assert other in before
    accepted = desk.state.acceptances.accepted_at("box", desk.config.policy_digest("box"))
    delete(desk, job, "--yes")
    assert desk.state.retries.of("box") == before
    assert desk.state.acceptances.accepted_at("box", desk.config.policy_digest("box")) == accepted


@pytest.mark.parametrize("options", [("--get", "log.json"), ("--download", "all")])
def test_deleting_is_said_alone(desk: Commands, job: JobId, options: tuple[str, ...]) -> None:
    assert "--delete archives the files itself" in delete(desk, job, *options, "--yes", code=2)
