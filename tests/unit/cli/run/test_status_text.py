"""`status` as lines for people."""

from __future__ import annotations

from typing import Any

from sauce_janitor.cli.run.status_text import _last_run_lines, worker_lines

LONG = (
    "max_percent is 25 %: the plan would delete 368 unexpected jobs, 92.0 % of the 400 known jobs"
)


def a_run(number: int, error: str | None) -> dict[str, Any]:
    nothing = dict.fromkeys(("outcomes", "left", "waiting", "halted"))
    return nothing | {
        "run_id": f"run-{number}",
        "mode": "execute",
        "started_at": 1_795_000_000 - number,
        "result": "refused",
        "error": error,
    }


def test_a_long_reason_that_repeats_is_told_once() -> None:
    runs = [a_run(1, LONG), a_run(2, LONG), a_run(3, "paused"), a_run(4, "paused"), a_run(5, LONG)]
    _, *lines = _last_run_lines({"last_runs": runs, "under_way": []})
    assert [line.partition("refused, ")[2] for line in lines] == [
        LONG,
        "for the same reason",
        "paused",
        "paused",
        "for the same reason",
    ]


def test_the_workers_and_their_queue_are_told() -> None:
    worker = {"host": "pod-1", "pid": 1, "mode": "execute", "works_on": ["eu", "us"]}
    idle = {"host": "pod-2", "pid": 1, "mode": "dry_run", "works_on": []}
    queue = {"running": 2, "waiting": 1, "wait_s": 120}
    assert list(worker_lines({"queue": queue, "workers": [worker, idle]})) == [
        "queue: 2 running, 1 waiting; the oldest has waited for 2 min",
        "workers: 2",
        "  pod-1, process 1: works on eu, us",
        "  pod-2, process 1, a dry run: works on nothing",
    ]
    assert "workers: none" in worker_lines({"queue": queue, "workers": []})
