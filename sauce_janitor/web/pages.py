"""The daemon's answers to monitoring: /healthz, /readyz and /metrics.

They show values that the daemon keeps in memory, and never access the database, the disk or Sauce
Labs. So they answer at once, also when one of those fails.
"""

from __future__ import annotations

from typing import Final, Protocol

from flask import Blueprint, Response, jsonify, request

from sauce_janitor.web.guard import TRUSTED
from sauce_janitor.web.overview import Readiness

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
MEMORY_PATHS: Final = OPEN_PATHS | {"/metrics", "/"}
"""What is answered from memory alone."""
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class ProbeSource(Protocol):
    """Gives the probes their values. Every method returns at once."""

    def alive(self) -> bool:
        """Return whether the schedule of the daemon advances."""

    def readiness(self) -> Readiness:
        """Return whether the daemon can work."""

    def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format."""


def probe_routes(daemon: ProbeSource) -> Blueprint:
    """Return the routes for monitoring: /healthz, /readyz and /metrics."""
    probes = Blueprint("probes", __name__)

    @probes.get("/healthz")
    def healthz() -> Response:
        if daemon.alive():
            return _text("ok", 200)
        return _text("the scheduler is not running", 503)

    @probes.get("/readyz")
    def readyz() -> Response:
        readiness = daemon.readiness()
        status = 200 if readiness.ready else 503
        # The reasons name paths and accounts: not for everybody who reaches an open path.
        if not request.environ.get(TRUSTED):
            return _text("ready" if readiness.ready else "not ready", status)
        answer = jsonify(ready=readiness.ready, reasons=list(readiness.reasons))
        answer.status_code = status
        return answer

    @probes.get("/metrics")
    def metrics() -> Response:
        return Response(daemon.metrics(), content_type=_METRICS_TYPE)

    return probes


def _text(text: str, status: int) -> Response:
    return Response(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
