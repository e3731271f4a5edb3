"""The daemon's pages: /healthz, /readyz, /metrics and the status page. They read what is kept ready
for them in memory.

Nothing here asks the database, the disk or Sauce Labs: whatever is wrong with those, these answer
at once and say so.
"""

from __future__ import annotations

import datetime as dt
from typing import Final, Protocol

from flask import Flask, Response, jsonify, render_template, request

from sauce_janitor.web.guard import TRUSTED
from sauce_janitor.web.overview import Overview, Readiness

OPEN_PATHS: Final = frozenset({"/healthz", "/readyz"})
_METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
_REFRESH_S: Final = 60


class PageSource(Protocol):
    """What there is to show; each call answers at once."""

    def alive(self) -> bool:
        """Whether the daemon does its rounds."""

    def readiness(self) -> Readiness:
        """Whether it can do its work."""

    def metrics(self) -> bytes:
        """Everything for Prometheus, in its text format."""

    def overview(self) -> Overview:
        """How things stand."""


def make_pages(shown: PageSource) -> Flask:
    """The application; to be put behind `guard.Guard`."""
    app = Flask("sauce_janitor.web")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters["when"] = _when
    app.jinja_env.filters["iso"] = _iso

    @app.get("/healthz")
    def healthz() -> Response:
        return _text(
            "ok" if shown.alive() else "the schedule stands still", 200 if shown.alive() else 503
        )

    @app.get("/readyz")
    def readyz() -> Response:
        readiness = shown.readiness()
        status = 200 if readiness.ready else 503
        if not request.environ.get(TRUSTED):
            return _text("ready" if readiness.ready else "not ready", status)
        answer = jsonify(ready=readiness.ready, reasons=list(readiness.reasons))
        answer.status_code = status
        return answer

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(shown.metrics(), content_type=_METRICS_TYPE)

    @app.get("/")
    def status() -> Response:
        refreshes = request.args.get("refresh") != "off"
        answer = Response(
            render_template(
                "status.html", view=shown.overview(), refreshes=refreshes, every_s=_REFRESH_S
            )
        )
        if refreshes:
            answer.headers["Refresh"] = str(_REFRESH_S)
        return answer

    return app


def _text(text: str, status: int) -> Response:
    return Response(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")


def _when(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M} UTC"


def _iso(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
