"""Pruning an account's archive: planned, limited, held back by holds, journaled, finished after a
crash; and `prove` holds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.archive import (
    Catalogue,
    contents_of,
)
from sauce_janitor.archive import prune as taking
from sauce_janitor.archive.ownership.lease_records import LEASE_FILE
from sauce_janitor.errors import ArchiveError, LeaseError, RefusedError
from sauce_janitor.model.jobs import JobId, owner_name
from sauce_janitor.operations.prove import prove
from tests.fakes.asset_shelf import MP4
from tests.support.commands import Commands
from tests.support.jobs import DAY
from tests.support.pruning import NINETY, OWNER, STORED_AGO, Box, a_document


@pytest.fixture
def box(open_desk: Callable[..., Commands]) -> Box:
    desk = open_desk(1)
    desk.configure("limits: {max_percent: null}\n" + NINETY)
    return Box(desk)


def test_a_dry_run_removes_nothing_and_says_what_would_go_and_why(box: Box) -> None:
    box.fill(3)
    before = box.files()
    plan = box.prune(execute=False).plan
    assert (plan.jobs, len(plan.rows), plan.files, plan.size_bytes) == (3, 3, 3, 3 * len(MP4))
    assert plan.rows[0].files == ("assets/video.mp4",)
    assert plan.rows[0].why == "p: keep_for 90d"
    assert plan.next_at is not None
    assert box.files() == before
    assert [line.kind for line in box.desk.state.journal.lines()] == ["archived"] * 3


def test_what_is_over_goes_with_a_line_before_and_after_and_prove_holds(box: Box) -> None:
    """Pruning the archive: Receipts stay and list every removed file."""
    box.fill(2)
    done = box.prune()
    assert (done.jobs, done.files, done.complete) == (2, 2, True)
    assert box.files() == sorted(["job.json", "log.json", "pruned.json", "receipt.json"] * 2)
    receipt, *_ = (box.desk.folder / "archive").rglob("receipt.json")
    assert "video.mp4" in receipt.read_text()
    assert [line.kind for line in box.desk.state.journal.lines()][2:] == ["pruning", "pruned"] * 2
    assert box.proof() == []
    again = box.prune()
    assert (again.plan.files, again.files) == (0, 0)
    later = box.prune(later_s=800 * DAY)
    assert (later.jobs, later.files) == (2, 4)
    assert box.files() == sorted(["pruned-2.json", "pruned.json", "receipt.json"] * 2)
    assert box.proof() == []


def test_it_is_never_carried_out_by_a_run(box: Box) -> None:
    """Pruning the archive: `archive prune` and the daemon remove archived files; `run` never
    does."""
    box.fill(1)
    before = box.files()
    box.desk.run(execute=True)
    assert [name for name in before if name not in box.files()] == []
    assert "pruned.json" not in box.files()
    assert "Prune: 1 job, 1 file, " in box.desk.say("archive", "prune", "-n").stdout


def test_limits_count_jobs_and_refuse_the_whole_and_approvals_lift_them(box: Box) -> None:
    """Pruning the archive: A broken limit refuses the whole prune; approvals lift it. `max_jobs`
    counts jobs that lose files. `max_percent` limits their share of the archived jobs, without
    those that an accepted prune under the same [policy digest](#limits-and-approvals) has seen."""
    box.fill(20, name="old")
    box.desk.configure("limits: {max_percent: 25}\n" + NINETY)
    before = box.files()
    with pytest.raises(
        RefusedError,
        match=(
            r"(?s)20 unexpected jobs, 100\.0 % of the 20 archived jobs.*approve sha256:\w+ --lift max_percent"
        ),
    ):
        box.prune()
    assert (box.files(), box.prune(execute=False).plan.broken[0].limit) == (before, "max_percent")
    box.desk.configure("limits: {max_jobs: 19, max_percent: null}\n" + NINETY)
    with pytest.raises(RefusedError, match="max_jobs is 19: this would prune 20 jobs"):
        box.prune()
    digest = box.config().policy_digest("box")
    box.desk.say("approve", digest, "--reason", "first", "--yes")
    assert box.prune().jobs == 20


def test_what_an_accepted_prune_knew_counts_no_more(box: Box) -> None:
    box.desk.configure("limits: {max_percent: 25}\n" + NINETY)
    box.fill(20)
    box.desk.state.prunings.accept("box", box.config().policy_digest("box"), at=int(time.time()))
    assert box.prune().jobs == 20


def test_under_another_policy_digest_all_counts_again(box: Box) -> None:
    box.desk.configure("limits: {max_percent: 25}\n" + NINETY)
    box.fill(20)
    box.desk.state.prunings.accept("box", "sha256:other", at=int(time.time()))
    with pytest.raises(RefusedError, match="max_percent"):
        box.prune()


HOLDS = "limits: {max_percent: null}\nholds: [{tag: keep}]\n" + NINETY


def test_no_hold_of_any_kind_lets_anything_go(box: Box) -> None:
    box.fill(1)
    box.fill(1, tags=["keep"])
    box.fill(1)
    box.desk.configure(HOLDS)
    box.desk.say("hold", "add", box.stored[2], "--reason", "audit", "--yes")
    done = box.prune()
    assert [row.job_id for row in done.plan.rows] == [box.stored[0]]
    assert {reason.rule: jobs for reason, jobs in done.plan.protected.items()} == {
        "tag keep": 1,
        "a local hold": 1,
    }
    box.desk.say("hold", "release", box.stored[2], "--yes")
    assert [row.job_id for row in box.prune().plan.rows] == [box.stored[2]]


def test_a_tag_that_sauce_labs_showed_later_holds_too_even_when_the_job_is_gone_there(
    box: Box,
) -> None:
    box.fill(1)
    box.desk.configure(HOLDS)
    known = box.desk.state.jobs.of("box", OWNER)
    tagged = a_document(0, int(time.time()) - STORED_AGO, tags=["keep"]).job
    known.put([tagged], unreadable=(), mark=1, now=1, bookmark=None)
    known.mark_gone([tagged.id])
    assert box.prune().plan.rows == []


def test_what_a_keep_rule_keeps_stays(box: Box) -> None:
    box.desk.configure("""
limits: {max_percent: null}
policies: [{name: p, match: all, keep: [{last: 1}], then: {archive: {keep_for: 90d}, delete_job: 1y}}]
""")
    box.fill(2)
    at = int(time.time()) - STORED_AGO
    known = box.desk.state.jobs.of("box", OWNER)
    older, newest = (a_document(number, at + number).job for number in (0, 1))
    known.put([older, newest], unreadable=(), mark=1, now=1, bookmark=None)
    for job in (older, newest):
        journal = box.desk.state.journal.during("box", "r", lambda: at)
        journal.purged(job.id, OWNER, policy="p", lost=False)
        journal.archived(job.id, OWNER, receipt="ab" * 32, selection="all", policy="p")
    with pytest.raises(RefusedError, match="never listed completely"):
        box.prune(execute=False)
    known.conclude(mark=1, watermark=1, full_at=1, longest_page=1)
    plan = box.prune(execute=False).plan
    assert [row.job_id for row in plan.rows] == [older.id]
    assert [reason.text for reason in plan.protected] == ["p: kept by last 1"]


def test_jobs_of_an_owner_who_is_asked_about_no_more_take_no_ones_place(box: Box) -> None:
    box.desk.configure("""
limits: {max_percent: null}
policies: [{name: p, match: all, keep: [{last: 1}], then: {archive: {keep_for: 90d}, delete_job: 1y}}]
""")
    box.fill(1)
    at = int(time.time()) - STORED_AGO
    mine, another = (
        box.desk.state.jobs.of("box", OWNER),
        box.desk.state.jobs.of("box", owner_name("gone")),
    )
    mine.put([a_document(0, at).job], unreadable=(), mark=1, now=1, bookmark=None)
    newer = replace(a_document(7, at + 500).job, owner=owner_name("gone"))
    another.put([newer], unreadable=(), mark=1, now=1, bookmark=None)
    for known in (mine, another):
        known.conclude(mark=1, watermark=1, full_at=1, longest_page=1)
    box.desk.state.journal.during("box", "r", lambda: at).archived(
        JobId(box.stored[0]), OWNER, receipt="ab" * 32, selection="all", policy="p"
    )
    assert box.prune(execute=False).plan.rows == []


def test_a_hold_placed_after_the_plan_protects(box: Box) -> None:
    box.fill(2)

    def hold(*_: object) -> None:
        box.desk.say("hold", "add", box.stored[0], "--reason", "audit", "--yes")

    done = box.prune(show=hold)
    assert (done.jobs, done.spared) == (1, 1)
    assert box.files().count("video.mp4") == 1


def test_nothing_goes_while_paused_or_while_a_run_holds_the_lease(box: Box) -> None:
    box.fill(1)
    before = box.files()
    with box.desk.state.lease("box", "run 1", now=1), pytest.raises(LeaseError):
        box.prune()
    box.desk.state.switch.pause(by="jane", reason="stop", at=1)
    with pytest.raises(RefusedError, match="paused by jane"):
        box.prune()
    assert box.files() == before


def test_a_pause_in_the_middle_stops_it_there(box: Box) -> None:
    box.fill(3)
    done = box.prune(show=lambda *_: box.desk.state.switch.pause(by="jane", reason="stop", at=1))
    assert done.halted is not None
    assert (done.jobs, done.complete) == (0, False)
    assert box.desk.state.prunings.open("box") == ()


def test_a_prune_that_lost_the_archive_to_another_machine_removes_nothing_more(box: Box) -> None:
    box.fill(2)
    before = box.files()
    record = box.desk.folder / "archive" / f"{LEASE_FILE}box"

    def another_machine(*_: object) -> None:
        record.write_text(json.dumps({**json.loads(record.read_text()), "word": "f" * 16}))

    done = box.prune(show=another_machine)
    assert "lost the lease" in str(done.halted)
    assert box.files() == before


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", ["begin", "rename", "unlink", "end"])
def test_a_crash_at_any_step_is_settled_by_the_next_prune(
    box: Box, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    from sauce_janitor.state import PruneJournal

    box.fill(2)

    def crash(*_: object, **__: object) -> object:
        raise Crash

    places: dict[str, tuple[Any, str]] = {
        "begin": (taking.Pruner, "prune"),
        "rename": (taking.Pruner, "finish"),
        "unlink": (taking, "_remove_from"),
        "end": (PruneJournal, "end"),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*places[step], crash)
        with pytest.raises(Crash):
            box.prune()
    assert len(box.desk.state.prunings.open("box")) == 1
    assert box.proof() == []
    done = box.prune()
    assert done.recovered == 1
    assert box.files().count("video.mp4") == 0
    assert box.desk.state.prunings.open("box") == ()
    assert box.proof() == []


def test_what_a_crash_left_is_kept_by_a_hold_that_came_since(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.fill(1)

    def crash(*_: object) -> None:
        raise Crash

    with monkeypatch.context() as patch:
        patch.setattr(taking, "_remove_from", crash)
        with pytest.raises(Crash):
            box.prune()
    box.desk.say("hold", "add", box.stored[0], "--reason", "audit", "--yes")
    assert (box.prune().recovered, box.files().count("video.mp4")) == (0, 1)
    box.desk.say("hold", "release", box.stored[0], "--yes")
    assert (box.prune().recovered, box.files().count("video.mp4")) == (1, 0)


def test_a_job_that_cannot_be_pruned_is_named_and_the_others_go(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    box.fill(2)
    real, failed = taking.Pruner.prune, list[taking.PruneDraft]()

    def fail_once(self: taking.Pruner, draft: taking.PruneDraft) -> None:
        if not failed:
            failed.append(draft)
            raise ArchiveError("the disk says no")
        real(self, draft)

    monkeypatch.setattr(taking.Pruner, "prune", fail_once)
    done = box.prune()
    assert (done.jobs, len(done.failures), done.complete) == (1, 1, False)
    outcomes = [line.outcome for line in box.desk.state.journal.lines() if line.kind == "pruned"]
    assert outcomes == ["left", "pruned"]
    assert box.prune().jobs == 1


def test_a_record_without_a_line_in_the_journal_and_a_line_without_its_record_are_findings(
    box: Box,
) -> None:
    box.fill(2)
    box.prune()
    first, second = sorted((box.desk.folder / "archive").rglob("pruned.json"))
    first.unlink()
    findings = box.proof()
    assert any("does not have the record" in finding for finding in findings)
    assert any("video.mp4: missing" in finding for finding in findings)
    said = json.loads(second.read_text())
    second.write_bytes(json.dumps(said | {"why": "nobody knows"}, indent=1).encode() + b"\n")
    assert any("the journal has no line about it" in finding for finding in box.proof())


def test_an_owner_is_erased_whole_but_for_what_a_hold_protects(box: Box) -> None:
    box.fill(3)
    box.desk.configure("policies: [{name: p, match: all, then: {archive: 1h}}]")
    box.desk.say("hold", "add", box.stored[0], "--reason", "audit", "--yes")
    done = box.prune(erase=OWNER, why="offboard demo by jane")
    assert (done.jobs, done.files) == (2, 6)
    assert box.files().count("job.json") == 1
    assert box.proof() == []
    records = [
        json.loads(path.read_text())["why"]
        for path in (box.desk.folder / "archive").rglob("pruned.json")
    ]
    assert records == ["offboard demo by jane"] * 2
    assert box.prune(erase=owner_name("nobody")).plan.jobs == 0


def test_a_deletion_at_sauce_labs_is_still_proven_when_its_copy_was_pruned(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(40)
    desk.configure("""
limits: {max_percent: null}
policies: [{name: p, match: all, then: {archive: {after: 1h, keep_for: 30d}, delete_job: 5d}}]
""")
    deleted = desk.run(execute=True).execution
    assert deleted is not None
    box = Box(desk)
    done = box.prune(later_s=60 * DAY)
    assert done.jobs > 0
    assert not list((desk.folder / "archive").rglob("job.json")) or done.plan.protected
    with Catalogue.open(desk.folder / "archive") as catalogue:
        found = prove(desk.state, catalogue, ["box"])
    assert found.findings == []
    assert found.deletions == found.by_receipt > 0
    assert found.pruned_jobs == done.jobs


def test_the_command_asks_or_needs_yes_and_says_what_went(box: Box) -> None:
    box.fill(2)
    assert "Prune: 2 jobs, 2 files" in box.desk.say("archive", "prune", "--dry-run").stdout
    said = box.desk.say("archive", "prune", code=2)
    assert "add --yes" in str(said.exception)
    assert box.files().count("video.mp4") == 2
    rows = json.loads(box.desk.say("archive", "prune", "-n", "--yes", "--format", "json").stdout)
    assert [action["files"] for action in rows[0]["actions"]] == [["assets/video.mp4"]] * 2
    assert (
        "2 files of 2 jobs removed from the archive"
        in box.desk.say("archive", "prune", "--yes").stdout
    )
    assert box.files().count("video.mp4") == 0
    assert "0 files of 0 jobs" in box.desk.say("archive", "prune", "--yes").stdout
    assert "began to prune 1 file" in box.desk.say("explain", box.stored[0]).stdout


def test_an_account_that_has_no_archive_yet_has_nothing_to_prune(box: Box) -> None:
    assert box.prune().plan.jobs == 0
    assert not Path(box.desk.folder / "archive").exists()


@pytest.mark.parametrize(
    "everything", [False, True], ids=["keep_for that is over", "everything erased"]
)
def test_no_delete_rests_on_a_copy_that_was_pruned(
    open_desk: Callable[..., Commands], *, everything: bool
) -> None:
    """Pruning the archive: No delete relies on a pruned copy: what Sauce Labs still lists is
    fetched again."""
    desk = open_desk(40, purge_after_days=9_000)
    head = "limits: {max_percent: null}\npolicies: [{name: p, match: all, then: "
    desk.configure(head + "{archive: {after: 1h, keep_for: 1d}}}]")
    desk.run(execute=True)
    box = Box(desk)
    pruned = box.prune(later_s=5 * DAY, erase=OWNER if everything else None)
    assert pruned.jobs > 0
    wanted = {
        row.job_id for row in pruned.plan.rows if any(asset for asset in row.files if "/" in asset)
    }
    assert wanted
    desk.configure(head + "{archive: 1h, delete_job: 31d}}]")

    desk.run(execute=True)

    gone = wanted & desk.deleted()
    assert gone
    with Catalogue.open(desk.folder / "archive") as catalogue:
        for job in gone:
            (place,) = catalogue.places_of(JobId(job), account="box")
            contents = contents_of(catalogue.root, place)
            assert contents is not None
            assert not {file.name for file in contents.newest.assets if file.file in contents.gone}
            assert catalogue.prove(place).findings == ()
    assert box.proof() == []


def test_a_clock_that_no_run_compared_with_sauce_labs_lets_nothing_go_unasked(box: Box) -> None:
    """Pruning the archive: An executing run must have compared the clock with Sauce Labs' in the
    last 35 days. Otherwise a person confirms the date."""
    box.fill(2)
    before = box.files()
    with pytest.raises(RefusedError, match="it may be years ahead"):
        box.prune(later_s=900 * DAY, vouched=False)
    with pytest.raises(RefusedError, match="years ahead"):
        box.prune(later_s=36 * DAY, vouched=False)
    assert box.files() == before
    assert [line.kind for line in box.desk.state.journal.lines()] == ["archived"] * 2
    assert box.prune(later_s=34 * DAY, vouched=False).files == 2
