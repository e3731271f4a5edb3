"""What the overview's charts show of an account: what the daemon's own runs have left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.console.figures import figures_of
from sauce_janitor.daemon import work
from sauce_janitor.daemon.accounts import view_of
from sauce_janitor.errors import ArchiveError, StateError
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.safety_numbers import DAY_S
from sauce_janitor.operations.wiring.run_settings import RunContext
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.web.charts.account_charts import charts_of
from sauce_janitor.web.overview import AccountView
from tests.support.commands import Commands, Quiet

POLICIES = """
policies:
  - name: every-job
    match: all
    then: {archive: {after: 1h, assets: [logs], discard: rest}, delete_assets: 10d, delete_job: 20d}
deadlines: [{name: privacy, match: all, job_gone_by: 15d}]
limits: {max_percent: null}
"""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Commands]:
    with ExitStack() as stack:
        made = Commands(tmp_path, stack.enter_context(Sandbox(SandboxOptions(jobs=80))), stack)
        made.configure(POLICIES)
        yield made


def run(desk: Commands, *, execute: bool) -> None:
    """A run as the daemon does it."""
    config = desk.config
    context = RunContext(config, desk.state, Metrics(), Quiet(), clock=desk_clock(desk))
    work.a_run(execute=execute)(config.account("box"), context)


def desk_clock(desk: Commands) -> Callable[[], float]:
    return lambda: time.time() + desk.later_s


def view(desk: Commands) -> AccountView:
    now = int(time.time()) + desk.later_s
    return view_of(desk.config.account("box"), desk.state, None, None, now=now)


def test_before_the_first_run_nothing_is_known_and_nothing_is_drawn_as_zero(desk: Commands) -> None:
    found = figures_of("box", desk.state, now=int(time.time()))
    for series in (found.created, found.done, found.archive, found.forecast):
        assert series.values == ()
    charts = charts_of(view(desk))
    assert charts.due is None
    assert charts.created is not None
    assert charts.created.is_empty


def test_a_dry_run_has_jobs_and_a_forecast_and_has_done_nothing(desk: Commands) -> None:
    run(desk, execute=False)
    shown = view(desk)
    figures = shown.figures
    assert figures is not None
    assert sum(sum(filter(None, row)) for row in figures.created.values) == 80
    assert sum(sum(filter(None, row)) for row in figures.ages.values) == 80
    assert len(figures.forecast.values) == 30
    assert sum(filter(None, figures.done.of("deleted jobs"))) == 0
    assert set(figures.done.of("archived bytes")) == {None}, "no archive was listed"
    assert shown.purge is not None
    assert shown.purge.within_24h <= shown.purge.within_72h <= (shown.purge.within_7d or 0)
    (late,) = shown.late
    assert (late.deadline, late.blockers[0][0]) == ("privacy", "gone with this plan")


def test_an_executing_run_shows_its_deletes_and_what_it_archived_at_once(desk: Commands) -> None:
    run(desk, execute=True)
    figures = view(desk).figures
    assert figures is not None
    deletes = figures.done.of("deleted jobs")[-1], figures.done.of("deleted assets")[-1]
    assert sum(filter(None, deletes)) == len(desk.deleted()) > 0
    stored = sum(each.stat().st_size for each in (desk.folder / "archive").rglob("assets/*"))
    size = figures.archive.of("bytes")[-1]
    assert size is not None
    assert size > 0
    assert stored > 0
    assert figures.done.of("archived bytes")[-1] == size
    charts = charts_of(view(desk))
    for chart in (charts.deleted, charts.archived, charts.archive):
        assert chart is not None
    assert not charts.archive.is_empty  # type: ignore[union-attr]


def test_days_without_a_run_are_zeros_and_the_archive_stays_as_it_was(desk: Commands) -> None:
    run(desk, execute=True)
    later = int(time.time()) + 3 * DAY_S
    figures = figures_of("box", desk.state, now=later)
    assert figures.done.of("deleted jobs")[-3:] == (0, 0, 0)
    sizes = figures.archive.of("bytes")
    assert len(sizes) == 4
    assert len(set(sizes)) == 1


def test_a_large_archive_is_not_read_by_a_run(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_FEW_LINES", 3)
    run(desk, execute=True)
    figures = view(desk).figures
    assert figures is not None
    assert figures.archive.values == ()
    monkeypatch.undo()
    desk.say("archive", "list")
    run(desk, execute=True)
    after = view(desk).figures
    assert after is not None
    assert after.archive.of("bytes")[-1]


def test_an_archive_that_cannot_be_listed_does_not_fail_the_run(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*_args: Any, **_more: Any) -> None:
        raise ArchiveError("its disk is gone")

    monkeypatch.setattr(work, "keep_up", damaged)
    run(desk, execute=True)
    (last,) = desk.state.runs.last("box", limit=1)
    assert last.result == "done"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"by_day": 1}', '{"as_of": "x", "by_day": {}, "by_age": {}}']
)
def test_damaged_notes_are_as_none_and_the_next_run_replaces_them(
    desk: Commands, text: str
) -> None:
    names = ("inventory figures box", "forecast box", "daily figures box")
    for name in names:
        desk.state.notes.write(name, text)
    figures = view(desk).figures
    assert figures is not None
    for series in (figures.created, figures.done, figures.archive, figures.forecast):
        assert series.values == ()
    run(desk, execute=False)
    after = view(desk).figures
    assert after is not None
    assert after.created.values
    assert after.forecast.values


def test_a_lost_count_of_requests_does_not_hide_the_account(
    desk: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(desk, execute=False)

    def lost(*_args: Any, **_more: Any) -> None:
        raise StateError("the count is damaged")

    monkeypatch.setattr("sauce_janitor.daemon.accounts.standing", lost)
    budget = view(desk).budget
    assert budget is not None
    assert budget.left is None
