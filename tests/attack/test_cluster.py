"""Several workers on one state that are killed and stopped, with a database that crashes: a sample.

`make attack-cluster` has it all.
"""

from __future__ import annotations

import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.attack.cluster.cluster import Cluster, ClusterOptions
from tests.attack.cluster.disturbances import Tally, disturb_workers
from tests.attack.cluster.verdict import Line, Sent, contradictions, judge
from tests.attack.run import memory

JOB, OTHER = "a" * 32, "b" * 32


@contextmanager
def cluster(component: Callable[[str], Path], kind: str) -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="cluster-", dir=memory()) as folder:
        options = ClusterOptions(
            seed=7, accounts=5, jobs=20, kind=kind, refills=False,
            stopped_s=(13.0, 14.0), gap_s=(0.5, 2.0),
        )  # fmt: skip
        made = Cluster(options, Path(folder), component)
        try:
            yield made
        finally:
            made.close()


@pytest.mark.timeout(600)
def test_workers_that_are_killed_and_stopped_lose_nothing(
    component: Callable[[str], Path],
) -> None:
    tally = Tally()
    with cluster(component, "faster") as made:
        disturb_workers(made, ["kills"] * 5 + ["stops"], random.Random(7), tally)
        while not made.busy():
            time.sleep(0.1)
        made.server.stop(signal.SIGQUIT)
        time.sleep(3)
        made.start_server()
        wrong = tally.wrong + judge(made, is_patient=False)
    assert wrong == [], "\n".join(wrong)
    assert tally.done.get("kills", 0) >= 4, tally.done


@pytest.mark.thorough
def test_the_oracle_sees_workers_that_ignore_leases_and_fences(
    component: Callable[[str], Path],
) -> None:
    with cluster(component, "reckless") as made:
        disturb_workers(made, ["stops"] * 4, random.Random(7), Tally())
        wrong = judge(made, is_patient=False)
    assert any("after a line of a newer one" in each for each in wrong), "\n".join(wrong)


def intent(number: int, run: str = "one", fence: int = 1, job: str = JOB) -> Line:
    return Line(number, "intent", job, "delete_job", None, fence, run, 100 + number)


def outcome(number: int, said: str = "confirmed", run: str = "one", job: str = JOB) -> Line:
    return Line(number, "outcome", job, "delete_job", said, None, run, 100 + number)


def sent(at: float, *, job: str = JOB, has_effect: bool = True) -> Sent:
    return Sent(job, "delete_job", at, has_effect)


def test_a_journal_and_a_log_that_agree_have_no_contradiction() -> None:
    lines = [intent(1), outcome(2), intent(3, "two", 2, OTHER), outcome(4, "unknown", "two", OTHER)]
    lines += [outcome(5, "failed", "three", OTHER), intent(6, "three", 3, OTHER)]
    lines += [outcome(7, run="three", job=OTHER)]
    log = [sent(101.4), sent(103.2, job=OTHER, has_effect=False), sent(106.1, job=OTHER)]
    assert contradictions(lines, log) == []


@pytest.mark.parametrize(
    ("lines", "log", "said"),
    [
        ([intent(1), outcome(2)], [sent(101), sent(102)], "was sent 2 times"),
        ([], [sent(101)], "1 writes, intents at []"),
        ([intent(9), outcome(10)], [sent(101)], "1 writes, intents at [109]"),
        ([intent(1), outcome(2)], [], "recorded as done, never sent"),
        ([intent(1), outcome(2, "failed")], [sent(101)], "is done, and on record as ['failed']"),
        ([intent(1), outcome(2), outcome(3)], [sent(101)], "has ['confirmed', 'confirmed']"),
        (
            [intent(1, "two", 2), intent(2, "one", 1, OTHER)],
            [sent(101, has_effect=False)],
            "line 2 has fence 1 after fence 2",
        ),
        (
            [intent(1), intent(2, "two", 2, OTHER), outcome(3, "unknown")],
            [],
            "line 3 is of run one, after a line of a newer one",
        ),
    ],
)
def test_a_contradiction_is_seen(lines: list[Line], log: list[Sent], said: str) -> None:
    assert said in "\n".join(contradictions(lines, log))
