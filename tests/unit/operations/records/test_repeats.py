"""What happens to many jobs is one line a kind in the log, and every one is there when it is asked
for.
"""

from __future__ import annotations

import pytest
import structlog.testing

from sauce_janitor.execute.events import (
    AssetsPurged,
    Event,
    Halt,
    Halted,
    JobIncomplete,
)
from sauce_janitor.inventory import SetAside
from sauce_janitor.metrics import Metrics
from sauce_janitor.model.failed_actions import ActionFailed
from sauce_janitor.model.job_retries import FailureKind
from sauce_janitor.model.jobs import Action, job_id, owner_name
from sauce_janitor.operations.records.telemetry import Telemetry

ALICE = owner_name("alice")
JOBS = [job_id(f"{number:032x}") for number in range(70)]
EVENTS: dict[str, list[Event]] = {
    "job.assets_lost": [AssetsPurged(job, ALICE, "p", lost=True) for job in JOBS],
    "job.failed": [ActionFailed(job, ALICE, "p", Action.ARCHIVE, "full") for job in JOBS],
    "job.incomplete": [
        JobIncomplete(job, ALICE, "p", 1, 1, "r", (("video.mp4", "404"),)) for job in JOBS
    ],
    "asset.odd": [
        JobIncomplete(JOBS[0], ALICE, "p", 1, 1, "r", (), (("a.png", "a JPEG"),)) for _ in JOBS
    ],
}


def told(*events: Event) -> list[tuple[str, str, dict[str, object]]]:
    """Return what a run logs of these events: level, event and the rest."""
    teller, log = Telemetry("eu", "run", Metrics()), structlog.testing.CapturingLogger()
    teller.log = structlog.wrap_logger(log, processors=[], wrapper_class=structlog.BoundLogger)
    for event in events:
        teller.event(event)
    teller.conclude()
    return [(call.method_name, str(call.kwargs["event"]), call.kwargs) for call in log.calls]


@pytest.mark.parametrize("name", EVENTS)
def test_seventy_events_of_a_kind_are_three_lines_and_a_count_with_examples(name: str) -> None:
    said = [one for one in told(*EVENTS[name]) if name in (one[1], one[2].get("of"))]
    seen = [event for level, event, _ in said if level != "debug"]
    assert seen == [name, name, name, "log.repeated"]
    summary = said[-1][2]
    assert summary["count"] == len(JOBS)
    assert summary["examples"] == ([JOBS[0]] if name == "asset.odd" else JOBS[:3])
    assert "-v" in str(summary["each"])


def test_every_event_is_in_the_log_at_debug_level() -> None:
    said = told(*EVENTS["job.failed"])
    assert [about["job_id"] for _, event, about in said if event == "job.failed"] == JOBS


def test_few_events_have_no_count() -> None:
    assert [event for _, event, _ in told(*EVENTS["job.failed"][:3])] == ["job.failed"] * 3


def test_failures_of_another_cause_are_not_hidden_by_many_of_one() -> None:
    rare = ActionFailed(JOBS[0], ALICE, "p", Action.ARCHIVE, "refused", FailureKind.FORBIDDEN)
    said = [
        about.get("detail")
        for level, _, about in told(*EVENTS["job.failed"], rare)
        if level == "error"
    ]
    assert said == ["full", "full", "full", "refused"]


def test_a_halt_of_several_credentials_is_told_once() -> None:
    halt = Halted(Halt.STOPPED, "asked to stop")
    assert [event for _, event, _ in told(halt, halt, Halted(Halt.LEASE, "lost"))] == [
        "run.halted",
        "run.halted",
    ]


def test_owners_and_rows_are_counted_too() -> None:
    teller, log = Telemetry("eu", "run", Metrics()), structlog.testing.CapturingLogger()
    teller.log = log
    for number in range(20):
        owner = owner_name(f"user-{number}")
        teller.left_out(owner, why="403", jobs=1, departed=False)
        teller.set_aside(owner, [SetAside("", "odd", 0, number, "", 0)], count=1)
    teller.conclude()
    assert sum(call.method_name == "warning" for call in log.calls) == 8
    assert [call.kwargs["count"] for call in log.calls if call.args == ("log.repeated",)] == [
        20,
        20,
    ]
