"""Changes rows, documents and times in a JSON answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TypeAlias

from sauce_janitor.sandbox.core.messages import SandboxAnswer
from sauce_janitor.sandbox.faults.decorators import FaultContext

Row: TypeAlias = dict[str, object]
Rows: TypeAlias = list[Row]

_LISTS = ("jobs", "builds", "results", "items", "buckets")
"""The keys under which the APIs have lists."""


def with_times(answer: SandboxAnswer, change: Callable[[int], object]) -> SandboxAnswer:
    def replaced(value: object, key: str = "") -> object:
        if isinstance(value, dict):
            return {name: replaced(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [replaced(each) for each in value]
        time = _time(value) if is_time(key) else None
        return value if time is None else change(time)

    return with_content(answer, replaced)


def is_time(key: str) -> bool:
    return key.endswith("_time") or key == "timestamp"


def _time(value: object) -> int | None:
    """Return a time of the Jobs API (a number) or of Insights (ISO 8601) in epoch seconds."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(datetime.fromisoformat(value).timestamp()) if isinstance(value, str) else None
    except ValueError:
        return None


def with_selected_rows(
    context: FaultContext, answer: SandboxAnswer, change: Callable[[Row], Row]
) -> SandboxAnswer:
    """Return the answer with the rows changed that `row` and `only` select; without them, all."""
    place, only = context.settings.get("row"), context.settings.get("only")

    def replaced(rows: Rows) -> Rows:
        return [
            change(row) if place in {None, at} and only in {None, row.get("id")} else row
            for at, row in enumerate(rows)
        ]

    return with_rows(answer, replaced)


def with_rows(answer: SandboxAnswer, change: Callable[[Rows], Rows]) -> SandboxAnswer:
    """Return the answer with its rows changed. A single document counts as a list of one."""

    def replaced(content: object) -> object:
        if isinstance(content, list):
            # A list of other things than objects, such as the sizes in the answer to a delete, has
            # no fields.
            return change(content) if all(isinstance(row, dict) for row in content) else content
        if not isinstance(content, dict):
            return content
        # v1 returns a bare list, v1.1, builds and people an object with the list in one of these
        # keys.
        key = next((key for key in _LISTS if isinstance(content.get(key), list)), None)
        if key is not None:
            return {**content, key: change(content[key])}
        # The builds of Insights are one level deeper.
        if _holds_items(content.get("builds")):
            return {**content, "builds": replaced(content["builds"])}
        # `empty_list` on a single document leaves no row; an empty object is the nearest.
        return next(iter(change([content])), {})

    return with_content(answer, replaced)


def _holds_items(value: object) -> bool:
    return isinstance(value, dict) and "items" in value


def with_content(answer: SandboxAnswer, change: Callable[[object], object]) -> SandboxAnswer:
    """Return the answer with its JSON changed.

    An error stays as it is, and so does a body that another fault has already made unreadable.
    """
    if answer.status != 200:
        return answer
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        return answer
    return replace(answer, body=json.dumps(change(content)).encode())
