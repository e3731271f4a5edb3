"""Commands that show what Sauce Labs has end with a sentence where it lies, and show nothing that
is none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from click.testing import CliRunner

from sauce_janitor.cli.app import cli
from sauce_janitor.errors import JanitorError
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.commands import DAY, Commands
from tests.support.faulted_account import PATIENT, POLICIES

JOB = "JOB"
VIEWS = (
    ("jobs",),
    ("job", JOB),
    ("assets", JOB),
    ("builds",),
    ("insights", "tests"),
    ("insights", "metrics", "checkout"),
    ("insights", "trends"),
    ("insights", "builds"),
    ("insights", "errors"),
)
UNREADABLE = (
    "deep_json",
    "trailing_garbage",
    "not_a_list",
    "html",
    "big_header",
    "redirect",
    "truncated",
    "short_gzip",
    "disconnect",
)
TWISTED = (
    "foreign_owner",
    "wrong_id",
    "empty_id",
    "nan",
    "nulls",
    "milliseconds",
    "times_as_text",
    "duplicate_rows",
    "empty_list",
    "short_page",
    "same_page",
    "capped_page",
    "clock_skew",
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(Sandbox(SandboxOptions(jobs=0)))
        for number in range(12):
            sandbox.arrive(
                created_at=int(time.time()) - DAY + number,
                name="checkout",
                build="b",
                error="it broke",
            )
        desk = Commands(tmp_path_factory.mktemp("views"), sandbox, stack)
        desk.configure(POLICIES, budget=PATIENT.replace("attempts: 2", "attempts: 1"))
        yield desk


def show(desk: Commands, view: tuple[str, ...], fault: str) -> tuple[int, str]:
    """The exit code and what was printed, with this fault in every answer. Anything but a
    JanitorError is a bug and shows.
    """
    job = next(desk.sandbox.job_ids())
    command = [
        "--config",
        str(desk.folder / "config.yaml"),
        *(job if word == JOB else word for word in view),
    ]
    desk.sandbox.inject(fault)
    try:
        runner = CliRunner(env={"KEY": desk.sandbox.access_key, "NO_COLOR": "1"})
        said = runner.invoke(cli, [*command, "--format", "json"], standalone_mode=False)
    finally:
        desk.sandbox.faults.disarm()
    if said.exception is None:
        return said.return_value or 0, said.stdout
    assert isinstance(said.exception, JanitorError), repr(said.exception)
    assert "\n" not in str(said.exception)
    return said.exception.exit_code, said.stdout


@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_what_cannot_be_read_is_said_and_not_shown(desk: Commands, view: tuple[str, ...]) -> None:
    assert {fault: show(desk, view, fault) for fault in UNREADABLE} == dict.fromkeys(
        UNREADABLE, (4, "")
    )


@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_what_is_twisted_is_shown_without_what_is_none_or_not_at_all(
    desk: Commands, view: tuple[str, ...]
) -> None:
    for fault in TWISTED:
        code, shown = show(desk, view, fault)
        assert code in {0, 4}, fault
        assert "NaN" not in shown, fault
        assert "mallory" not in shown or view[0] in {
            "insights",
            "builds",
        }, fault  # they show whoever is named


@pytest.mark.parametrize("view", VIEWS, ids=" ".join)
def test_what_is_true_is_shown(desk: Commands, view: tuple[str, ...]) -> None:
    assert show(desk, view, "duplicate_rows" if view[0] == "jobs" else "unframed")[0] == 0
