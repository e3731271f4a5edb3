"""Sentences of docs/policies.md that only whole runs show; each docstring quotes one."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.integration.pipeline.conftest import Desk

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 20d}}
"""


def test_a_run(open_desk: Callable[..., Desk]) -> None:
    """Terms: A **run** is one pass of ours (never a test)."""
    desk = open_desk()
    desk.configure(POLICIES)
    assert desk.run().plan.inventory == 60
    desk.run()
    assert [run.mode for run in desk.state.runs.last("box")] == ["dry_run", "dry_run"]


def test_the_same_plan(open_desk: Callable[..., Desk]) -> None:
    """Terms: Same inventory, state, configuration and `as_of`: same plan, byte for byte (but `created_at`)."""
    desk = open_desk()
    desk.configure(POLICIES)
    desk.run()
    texts = []
    for _ in range(2):
        given = ("--offline", "--as-of", "2030-01-01T00:00:00Z", "--all", "--format", "json")
        text = desk.say("plan", *given).stdout
        plan = json.loads(text)
        assert plan["actions"]
        texts.append(text.replace(plan["created_at"], "…"))
    assert texts[0] == texts[1]
