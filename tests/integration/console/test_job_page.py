"""The page of a job: what happens to it and why, what happened, and what of it is archived."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import update

from sauce_janitor.archive import Archive, DiskReserve, WriteSettings
from sauce_janitor.config import load
from sauce_janitor.console import jobs
from sauce_janitor.console.access import ConsoleAccess
from sauce_janitor.console.job_explanation import explained
from sauce_janitor.errors import RefusedError
from sauce_janitor.model.assets import EVERYTHING
from sauce_janitor.model.job_retries import Failing, FailureKind
from sauce_janitor.model.permits import DeleteJobPermit, Receipt
from sauce_janitor.state.database import tables
from sauce_janitor.web import job_page
from tests.fakes.asset_shelf import LOG, AssetShelf, document
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.archive import ORIGIN
from tests.support.console import Desk
from tests.support.daemon import until

EVIL = "<script>alert(1)</script>\u202egnp"
POLICIES = """
policies:
  - name: nightly
    match: {build: "nightly-*"}
    group_by: [build]
    keep: [{id: recent, last: 2}]
    then: {archive: 2h, delete_assets: 1d, delete_job: 30d}
  - name: others
    match: {name: nobody}
    then: {archive: none, delete_job: 1d}
  - name: rest
    default: true
    then: {archive: 20d, delete_assets: 25d}
"""
NOW = int(time.time())


def listed(desk: Desk, numbers: range, **more: Any) -> None:
    """List these jobs: the higher the number, the older, a day each."""
    jobs = []
    for number in numbers:
        started = NOW - 86_400 * (10 + number)
        fields: dict[str, Any] = {"build": "nightly-1", "started_at": started}
        jobs.append(a_job(number, **(fields | {"ended_at": started + 75} | more)))
    desk.state.jobs.of("eu", OWNER).put(jobs, unreadable=(), mark=1, now=NOW, bookmark=None)


def url(number: int) -> str:
    return f"/jobs/eu/{an_id(number)}"


@pytest.mark.desk(POLICIES)
def test_a_job_is_explained_with_its_rules_its_group_and_what_would_keep_it(desk: Desk) -> None:
    listed(desk, range(5))
    newest, oldest = desk.page(url(0)), desk.page(url(4))
    assert "rank 1 of 5 in its group (nightly-1), newest first" in newest
    assert "rank 5 of 5" in oldest
    assert '<span class="badge good">keeps</span> <strong><bdi>recent</bdi></strong>' in newest
    assert '<span class="badge">does not keep</span> <strong><bdi>recent</bdi></strong>' in oldest
    # The middle of the first and of the last fifth.
    assert ('x="9.4"' in newest, 'x="89.4"' in oldest) == (True, True)
    assert "due since" in oldest
    assert "No match: <bdi>others</bdi>" in oldest
    assert f"sauce-janitor hold add {an_id(4)}" in oldest
    assert "Nothing of this job is archived." in oldest
    assert "after 1:15" in oldest


@pytest.mark.desk(POLICIES)
def test_a_large_account_is_read_only_on_request(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_page, "_EXPLAINED_AT_ONCE", 4)
    listed(desk, range(5))
    page = desk.page(url(1))
    assert "This reads all 5 jobs of the account" in page
    assert "What happens, and why" not in page
    assert "What happens, and why" in desk.page(f"{url(1)}?explain")


@pytest.mark.desk(POLICIES)
def test_holds_waits_and_hostile_names_are_said_as_text(desk: Desk) -> None:
    listed(desk, range(2), name=EVIL, error=EVIL, tags=(EVIL,))
    desk.state.holds.add("eu", {an_id(1)}, by=EVIL, reason=EVIL, at=NOW, until=None)
    for at in (NOW - 9000, NOW - 300, NOW - 60):
        desk.state.retries.failed("eu", an_id(1), Failing(FailureKind.FORBIDDEN, EVIL), at=at)
    page = desk.page(url(1))
    assert "until it is released" in page
    assert "Failed 3 times since" in page
    assert page.count("&lt;script&gt;") >= 5
    assert "<script>alert" not in page
    assert "\u202e" not in page
    assert "Held by" not in desk.page(url(0))


def test_a_deleted_job_has_its_history_and_what_the_archive_has_of_it(desk: Desk) -> None:
    settings = WriteSettings(min_free=DiskReserve(percent=0))
    with Archive.open(
        desk.folder / "archive", account="eu", known_uuid=None, settings=settings
    ) as archive:
        shelf = AssetShelf({"log.json": LOG})
        archive.store(document(1, name="checkout"), shelf.listing, EVERYTHING, shelf.fetch, ORIGIN)
    listed(desk, range(1, 2))
    with desk.state.lease("eu", "run-1", now=1) as lease:
        lines = desk.state.journal.during("eu", "run-1", lambda: NOW)
        permit = DeleteJobPermit(an_id(1), OWNER, Receipt("ab" * 32), "fp", 1.0, lease.fence)
        lines.outcome(lines.intent(permit, policy="nightly"), "confirmed", detail="404 twice")
    page = desk.page(url(1))
    assert "Deleted, " in page
    assert "by policy nightly." in page
    assert "checkout" in page
    assert "log.json" in page
    assert "404 twice" in page
    assert 'href="/runs/run-1"' in page
    assert "What happens, and why" not in page


@pytest.mark.desk(POLICIES)
def test_a_job_of_somebody_who_is_not_selected_any_more_is_under_no_policy(desk: Desk) -> None:
    listed(desk, range(1))
    with desk.state._database.writing("eu") as connection:
        connection.execute(update(tables.accounts).values(username="somebody"))
    assert "does not select the jobs of this owner any more" in desk.page(url(0))


def test_what_nobody_knows_is_not_found(desk: Desk) -> None:
    listed(desk, range(1))
    for path in (f"/jobs/us/{an_id(0)}", f"/jobs/nobody/{an_id(0)}", "/jobs/eu/x", url(99)):
        assert "No account here knows this job" in desk.page(path, 404)


def test_an_archive_that_is_away_hides_nothing_that_the_state_knows(desk: Desk) -> None:
    listed(desk, range(1))
    desk.state.identity.remember_archive(str(desk.folder / "archive"), "0" * 32)
    assert "What happens, and why" in desk.page(url(0))


@pytest.mark.desk(POLICIES)
def test_one_job_is_explained_one_waits_and_no_other_occupies_the_server(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(desk, range(3))
    go_on, begun = threading.Event(), threading.Semaphore(0)

    def slow(*arguments: Any) -> Any:
        begun.release()
        assert go_on.wait(30)
        return explained(*arguments)

    monkeypatch.setattr(jobs, "explained", slow)
    monkeypatch.setattr(jobs, "_WAIT_S", 30)
    config = load(desk.folder / "config.yaml", environ={"KEY": "x"})
    with (
        closing(ConsoleAccess(lambda: config, lambda: desk.state, lambda: "closed")) as access,
        ThreadPoolExecutor(2) as users,
    ):
        records = jobs.JobRecords(access)
        first = users.submit(records.explanation, "eu", an_id(0))
        assert begun.acquire(timeout=30)
        second = users.submit(records.explanation, "eu", an_id(1))
        until(lambda: records._turns._value == 0, "the second")
        try:
            with pytest.raises(RefusedError, match="try again in a moment"):
                records.explanation("eu", an_id(2))
        finally:
            go_on.set()
        assert first.result() is not None
        assert second.result() is not None
