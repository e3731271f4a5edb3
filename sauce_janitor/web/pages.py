"""The daemon's pages: /healthz, /readyz, /metrics and the overview.

They show values that the daemon keeps in memory, and never access the database, the disk or Sauce
Labs. So they answer at once, also when one of those fails.
"""

from __future__ import annotations

from typing import Final, Protocol

from flask import Blueprint, Response, jsonify, render_template, request

from sauce_janitor.web.console import Section
from sauce_janitor.web.guard import TRUSTED
from sauce_janitor.web.overview import Overview, Readiness

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
MEMORY_PATHS: Final = OPEN_PATHS | {"/metrics", "/"}
"""What is answered from memory alone."""
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_REFRESH_S: Final = 60


class PageSource(Protocol):
    """Gives the pages their values. Every method returns at once."""

    def alive(self) -> bool:
        """Return whether the schedule of the daemon advances."""

    def readiness(self) -> Readiness:
        """Return whether the daemon can work."""

    def metrics(self) -> bytes:
        """Return all metrics in Prometheus' text format."""

    def overview(self) -> Overview:
        """Return the current values of the status page."""


def probe_routes(daemon: PageSource) -> Blueprint:
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


def overview_section(daemon: PageSource) -> Section:
    """Return the overview of all accounts, at /."""
    overview = Blueprint("overview", __name__)

    @overview.get("/")
    def accounts() -> Response:
        refreshes = request.args.get("refresh") != "off"
        answer = Response(
            render_template(
                "overview/accounts.html",
                view=daemon.overview(),
                refreshes=refreshes,
                every_s=_REFRESH_S,
            )
        )
        # `?refresh=off` leaves the page as it is, to read it at leisure or to copy from it.
        if refreshes:
            answer.headers["Refresh"] = str(_REFRESH_S)
        return answer

    return Section(overview, "overview.accounts", "Overview")


def _text(text: str, status: int) -> Response:
    return Response(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
