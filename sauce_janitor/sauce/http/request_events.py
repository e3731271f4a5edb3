"""What the client reports to logs and metrics: one value a request, without secrets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Endpoint: TypeAlias = Literal[
    "jobs", "job", "jobs_by_id", "assets", "asset", "builds", "build", "build_jobs",
    "delete_assets", "delete_job", "stop", "update", "delete_all",
    "insights_tests", "insights_metrics", "insights_trends", "insights_builds", "insights_errors",
    "users", "service_accounts", "teams",
]  # fmt: skip
"""The closed set of endpoints, used as a metric's label."""


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """One request that left, or tried to.

    `code` is None without an answer; `throttled_s` is the time spent waiting for the budget.
    """

    method: str
    endpoint: Endpoint
    code: int | None
    seconds: float
    throttled_s: float


OnRequest: TypeAlias = Callable[[RequestEvent], None]
