"""How long a run waits before it asks about writes without an answer, its own too."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from types import SimpleNamespace
from typing import Any

import pytest

from sauce_janitor.clock import CLOCK, SystemClock
from sauce_janitor.metrics import Metrics
from sauce_janitor.model import open_intents
from sauce_janitor.model.jobs import Action, JobId
from sauce_janitor.model.open_intents import OpenIntent
from sauce_janitor.model.safety_numbers import IN_FLIGHT_S
from sauce_janitor.operations.records.telemetry import Telemetry
from sauce_janitor.operations.steps.recovery import settle_deletes
from tests.fakes.execution import ME, NOW, House
from tests.support.commands import Quiet


@pytest.mark.parametrize(
    ("fence", "idle_s", "waits"),
    [
        (7, inf, [36.0]),  # the run's own: for how long nobody else held the lease says nothing
        (7, None, [36.0]),
        (6, 20.0, [26.0]),
        (6, 60.0, []),
        (6, None, [36.0]),
    ],
)
def test_a_run_waits_for_its_own_writes_by_its_own_clock(
    monkeypatch: pytest.MonkeyPatch, fence: int, idle_s: float | None, waits: list[float]
) -> None:
    monkeypatch.setattr(open_intents, "IN_FLIGHT_S", IN_FLIGHT_S)
    waited: list[float] = []

    def wait(_clock: SystemClock, _event: object, seconds: float) -> bool:
        waited.append(seconds)
        return False

    monkeypatch.setattr(type(CLOCK), "wait", wait)
    house = House()
    house.lease.idle_s = idle_s
    one = OpenIntent(1, Action.DELETE_JOB, JobId("ab" * 16), ME, "p", NOW - 10, None, fence)
    ports = replace(house.parts(), journal=SimpleNamespace(unresolved=lambda: [one]))
    context: Any = SimpleNamespace(clock=lambda: NOW, progress=Quiet(), stop=None)
    clients: Any = SimpleNamespace(shares=lambda _owners: ())
    settle_deletes(clients, ports, context, Telemetry("box", "r", Metrics()))
    assert waited == waits
