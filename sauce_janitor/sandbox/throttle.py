"""The rate limit in requests a second and an hour, for each user or each user and endpoint."""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, replace
from email.utils import formatdate

from sauce_janitor.sandbox.core.messages import SandboxAnswer
from sauce_janitor.sandbox.core.options import Behaviours, Rate

_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class RequestQuota:
    """What is left of the limit after one request. `wait_s` is 0 if the request was allowed."""

    limit: int
    remaining: int
    reset_s: float
    wait_s: float


class Throttle:
    """Counts requests in sliding windows. Times come from the caller.

    With fixed windows, a client could send twice as much around the border of two.
    """

    def __init__(self, rate: Rate, behaviours: Behaviours) -> None:
        self._rate, self._behaviours = rate, behaviours
        self._sent: dict[tuple[str, str], deque[float]] = {}
        self._lock = threading.Lock()

    def ask(self, user: str, endpoint: str, now: float) -> RequestQuota | None:
        """Count a request at `now` (seconds of any clock); return None without a limit.

        A refused request does not count.
        """
        windows = self._windows()
        if not windows:
            return None
        # Sauce Labs' sources disagree: its documents count for each user, its announcement of the
        # limits for each endpoint.
        key = (user, endpoint if self._behaviours.rate_bucket == "endpoint" else "")
        with self._lock:
            sent = self._sent.setdefault(key, deque())
            # The last window is the longest, so nothing older can count in any of them.
            while sent and sent[0] <= now - windows[-1][1]:
                sent.popleft()
            wait = max(_wait(sent, allowed, length, now) for allowed, length in windows)
            # A refused request is not counted: a client that retries too early does not push its
            # own wait further away.
            if wait <= 0:
                sent.append(now)
            # The headers can show only one window; the hour's is the one that a long run exhausts.
            allowed, length = windows[-1]
            used = (
                sum(1 for moment in sent if moment > now - length)
                if len(windows) == 1
                else len(sent)
            )
            # Rounding may make the result a little longer than the window.
            reset = min(length, sent[0] + length - now) if sent else length
        return RequestQuota(allowed, max(0, allowed - used), reset, max(0.0, wait))

    def headers(self, budget: RequestQuota, now: float) -> dict[str, str]:
        """Return the X-Ratelimit headers; `now` in epoch seconds.

        The unit of the reset is a behaviour, because it is not documented.
        """
        if self._behaviours.rate_headers == "off":
            return {}
        unit = self._behaviours.rate_reset
        reset = now + budget.reset_s if unit.startswith("epoch") else budget.reset_s
        return {
            "X-Ratelimit-Limit": str(budget.limit),
            "X-Ratelimit-Remaining": str(budget.remaining),
            "X-Ratelimit-Reset": str(
                math.ceil(reset * 1000 if unit.endswith("milliseconds") else reset)
            ),
        }

    def refusal(self, budget: RequestQuota, now: float) -> SandboxAnswer:
        """Return the answer with status 429; `now` in epoch seconds."""
        headers = self.headers(budget, now)
        # At least one second: a client would take 0 as a request to retry at once.
        if self._behaviours.retry_after == "seconds":
            headers["Retry-After"] = str(max(1, math.ceil(budget.wait_s)))
        elif self._behaviours.retry_after == "date":
            headers["Retry-After"] = formatdate(math.ceil(now + budget.wait_s), usegmt=True)
        answer = SandboxAnswer(429, b'{"errors": "Too Many Requests"}', headers=headers)
        if self._behaviours.rate_body == "html":
            page = b"<html><body><h1>429 Too Many Requests</h1></body></html>"
            return replace(answer, body=page, content_type="text/html")
        return replace(answer, body=b"") if self._behaviours.rate_body == "empty" else answer

    def _windows(self) -> list[tuple[int, float]]:
        """Return each window as (requests, seconds), the shorter first.

        A rate below one a second is a window of one request and several seconds.
        """
        found: list[tuple[int, float]] = []
        if self._rate.per_second is not None:
            allowed = max(1, int(self._rate.per_second))
            found.append((allowed, allowed / self._rate.per_second))
        if self._rate.per_hour is not None:
            found.append((self._rate.per_hour, _HOUR_S))
        return found


def _wait(sent: deque[float], allowed: int, length: float, now: float) -> float:
    """Return the seconds until the window has room for a request."""
    return 0.0 if len(sent) < allowed else sent[-allowed] + length - now
