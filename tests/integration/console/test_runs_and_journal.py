"""The pages of runs and of the journal: what a state has recorded, found and explained."""

from __future__ import annotations

import csv
import io
import re

import pytest

from sauce_janitor.errors import RefusedError
from sauce_janitor.execute import Execution
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.model.permits import DeleteJobPermit, Receipt
from sauce_janitor.operations.records.run_record import RunEntry
from tests.fakes.job_list import OWNER, a_job, an_id
from tests.support.console import Desk

EVIL = "<script>alert(1)</script>\u202egnp"
AT = 1_795_000_000


def entry(desk: Desk, run_id: str, account: str = "eu") -> RunEntry:
    return RunEntry(desk.state.runs, run_id, account, mode="execute", clock=lambda: AT)


def delete(desk: Desk, numbers: range, *, outcome: str = "confirmed", run: str = "run-1") -> None:
    """Journal a delete of each of these jobs."""
    jobs = [a_job(number) for number in numbers]
    desk.state.jobs.of("eu", OWNER).put(jobs, unreadable=(), mark=1, now=1, bookmark=None)
    with desk.state.lease("eu", "run-1", now=1) as lease:
        lines = desk.state.journal.during("eu", run, lambda: AT)
        for number in numbers:
            permit = DeleteJobPermit(
                an_id(number), OWNER, Receipt("ab" * 32), "fp", 1.0, lease.fence
            )
            seq = lines.intent(permit, policy="nightly")
            lines.outcome(seq, outcome, detail=EVIL)


def test_runs_are_listed_by_account_and_lead_to_one_another(desk: Desk) -> None:
    assert "No run yet." in desk.page("/runs")
    for number in range(60):
        with entry(desk, f"{number:012x}"):
            pass
    with entry(desk, "other", "us"):
        pass
    page = desk.page("/runs")
    assert len(re.findall(r'href="/runs/[0-9a-f]{12}"', page)) == 50
    older = re.search(r'href="(/runs\?account=eu&amp;before=[^"]+)" rel="next"', page)
    assert older is not None
    rest = desk.page(older[1].replace("&amp;", "&"))
    assert len(re.findall(r'href="/runs/[0-9a-f]{12}"', rest)) == 10
    assert 'rel="next"' not in rest
    assert 'href="/runs/other"' in desk.page("/runs?account=us")
    assert "There is no such account" in desk.page("/runs?account=nobody", 404)
    assert len(re.findall(r'href="/runs/[0-9a-f]{12}"', desk.page("/runs?before=nonsense"))) == 50


def test_a_run_shows_its_phases_its_outcomes_and_what_to_do_about_each_kind_of_failure(
    desk: Desk,
) -> None:
    failures = [
        ActionFailed(
            JobId(f"{number:032x}"), OWNER, "nightly", Action.DELETE_JOB, f"403 for {number}: {EVIL}",
            FailureKind.FORBIDDEN,
        )
        for number in range(12)
    ]  # fmt: skip
    with entry(desk, "run-1") as record:
        with record.timed("list"), record.timed("plan"):
            pass
        execution = Execution(failures=tuple(failures), left=3)
        record.executed(execution, budget_left=77)
    page = desk.page("/runs/run-1")
    assert "Check that the account&#39;s user may see and delete jobs of this owner." in page
    assert '<td data-label="Jobs" class="number">12</td>' in page
    assert len(re.findall(r'href="/jobs/eu/0{28}', page)) == 3
    assert "&lt;script&gt;" in page
    assert "<script>" not in page
    assert "\u202e" not in page
    assert "Left for the next runs: 3 jobs." in page
    assert page.index("List jobs") < page.index("Plan</th>")
    assert "Requests left in the hour" in page
    assert "There is no such run." in desk.page("/runs/nothing", 404)


def test_a_run_that_was_refused_or_killed_says_so(desk: Desk) -> None:
    with pytest.raises(RefusedError), entry(desk, "refused"):
        raise RefusedError(EVIL)
    desk.state.runs.begin("killed", "eu", mode="execute", at=AT)
    page = desk.page("/runs/refused")
    assert '<span class="badge bad">refused</span>' in page
    assert "&lt;script&gt;" in page
    assert "going on, or killed" in desk.page("/runs/killed")


def test_a_dry_run_over_a_limit_says_so_in_the_list(desk: Desk) -> None:
    desk.state.runs.begin("dry", "eu", mode="dry_run", at=AT)
    plan = {"limits_broken": ["max_percent", "max_percent"], "jobs": 1}
    desk.state.runs.finish("dry", result="done", at=AT, summary={"plan": plan})
    assert "<bdi>over max_percent</bdi>" in desk.page("/runs")


def test_the_journal_is_searched_by_everything_that_a_line_has(desk: Desk) -> None:
    assert "The journal is empty" in desk.page("/journal")
    delete(desk, range(3))
    delete(desk, range(3, 4), outcome="failed", run="run-2")
    for query, lines in (
        ("", 8),
        ("?account=eu", 8),
        ("?account=us", 0),
        ("?outcome=failed", 1),
        ("?outcome=intent&run=run-2", 1),
        (f"?job={an_id(1)}", 2),
        ("?action=stop", 0),
        ("?until=2026-11-18", 8),
        ("?until=2020-01-01", 0),
    ):
        page = desk.page(f"/journal{query}")
        assert page.count('class="stamp"') == lines, query
        assert "<script>" not in page
    assert '<tr class="attention">' in desk.page("/journal?outcome=failed")
    assert "No line matches." in desk.page("/journal?account=us")


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("job=abc", "32 digits"),
        ("until=2026-02-31", "A day is written like"),
        ("action=erase", "There is no such action."),
        ("account=nobody", "There is no such account."),
        ("outcome=%00", "There is no such outcome."),
    ],
)
def test_what_makes_no_sense_is_one_sentence_and_nothing_is_searched(
    desk: Desk, query: str, sentence: str
) -> None:
    delete(desk, range(1))
    page = desk.page(f"/journal?{query}")
    assert sentence in page
    assert 'class="stamp"' not in page
    assert desk.client.get(f"/journal/journal.csv?{query}").status_code == 400


def test_pages_of_the_journal_lead_to_one_another_and_numbers_that_nobody_has_do_no_harm(
    desk: Desk,
) -> None:
    delete(desk, range(60))
    page = desk.page("/journal?account=eu")
    older = re.search(r'href="(/journal\?account=eu&amp;before=\d+)" rel="next"', page)
    assert older is not None
    rest = desk.page(older[1].replace("&amp;", "&"))
    assert (page.count('class="stamp"'), rest.count('class="stamp"')) == (100, 20)
    for number in ("-1", "0", "9" * 40, "x"):
        assert desk.page(f"/journal?before={number}").count('class="stamp"') == 100
    assert "No line matches." in desk.page("/journal?before=1")


def test_the_journal_is_saved_as_csv_that_no_spreadsheet_runs(desk: Desk) -> None:
    delete(desk, range(1200))
    answer = desk.client.get("/journal/journal.csv?outcome=confirmed")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="journal.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 1200
    assert rows[0]["job_id"] == an_id(1199)
    assert rows[0]["text"] == "delete job: done"
    assert {row["account"] for row in rows} == {"eu"}


def test_a_renamed_account_keeps_its_lines_under_its_new_name(desk: Desk) -> None:
    delete(desk, range(1))
    desk.state.accounts.rename("eu", "europe")
    page = desk.page("/journal")
    assert '<td data-label="Account"><bdi>europe</bdi></td>' in page
