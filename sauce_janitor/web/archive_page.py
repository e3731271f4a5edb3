"""The archive's page: builds and jobs to browse and search, and one job with its film, pictures,
logs and requests.

It only looks. Everything archived was chosen by strangers: names are escaped and their control
characters replaced, bytes are answered so that no browser runs them, and URLs are made of numbers.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from flask import Flask, Response, abort, jsonify, render_template, request, url_for
from werkzeug.exceptions import HTTPException

from sauce_janitor.errors import JanitorError
from sauce_janitor.model.archive_entries import ArchiveQuery
from sauce_janitor.model.jobs import job_id as checked_id
from sauce_janitor.model.jobs import owner_name
from sauce_janitor.web import responses
from sauce_janitor.web.archive_query import ArchiveSource, ShownFile, ShownJob

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
STATUSES: Final = ("passed", "failed", "error", "complete")
_PAGE: Final = 100
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHOTS_WITHOUT_SCRIPT: Final = 60


def make_archive_view(shelf: ArchiveSource, title: str) -> Flask:
    """The application; to be put behind `guard.Guard`. `title` says which archive it is."""
    app = Flask("sauce_janitor.web")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {
        "when": _when,
        "iso": _iso,
        "size": _size,
        "span": _span,
        "clean": clean,
    }
    app.jinja_env.globals |= {"archive_title": title, "statuses": STATUSES}
    _add_lists(app, shelf)
    _add_jobs(app, shelf)

    @app.after_request
    def guarded(answer: Response) -> Response:
        answer.headers.setdefault("Content-Security-Policy", POLICY)
        return answer

    @app.errorhandler(JanitorError)
    def wrong(error: JanitorError) -> tuple[str, int]:
        return render_template("archive_error.html", message=str(error), code=500), 500

    @app.errorhandler(HTTPException)
    def refused(error: HTTPException) -> tuple[str, int]:
        code = error.code or 500
        message = (
            "The archive has nothing here." if code == 404 else error.description or error.name
        )
        return render_template("archive_error.html", message=message, code=code), code

    return app


def _add_lists(app: Flask, shelf: ArchiveSource) -> None:
    @app.get("/")
    def jobs() -> str:
        query, given = _query()
        found, size = shelf.count(query)
        return render_template(
            "archive_jobs.html",
            entries=list(shelf.search(query)),
            found=found,
            size=size,
            given=given,
            owners=shelf.owners(),
            **_paging(query, found, "jobs", given),
        )

    @app.get("/builds")
    def builds() -> str:
        query, given = _query()
        found = list(shelf.builds(query))
        more = len(found) == _PAGE
        count = query.skip + len(found) + more
        return render_template(
            "archive_builds.html",
            builds=found,
            given=given,
            owners=shelf.owners(),
            **_paging(query, count, "builds", given),
        )


def _add_jobs(app: Flask, shelf: ArchiveSource) -> None:
    @app.get("/jobs/<account>/<job_id>")
    def job(account: str, job_id: str) -> str:
        shown = _job(shelf, account, job_id)
        back = request.args.get("from", "")
        return render_template(
            "archive_job.html",
            job=shown,
            entry=shown.entry,
            videos=shown.of_kind("video"),
            shots=shown.of_kind("image"),
            shots_at_once=_SHOTS_WITHOUT_SCRIPT,
            readable=[
                file for file in shown.files if file.kind in {"commands", "har", "json", "text"}
            ],
            data=_as_data(shown),
            back=back if re.fullmatch(r"[A-Za-z0-9%&=_.*+~-]{0,600}", back) else "",
        )

    @app.get("/jobs/<account>/<job_id>/files/<int:number>")
    def asset(account: str, job_id: str, number: int) -> Response:
        shown, file = _file(shelf, account, job_id, number)
        return responses.answer(file, shelf.open(shown, file), save="save" in request.args)

    @app.get("/jobs/<account>/<job_id>/files/<int:number>/lines")
    def lines(account: str, job_id: str, number: int) -> Response:
        shown, file = _file(shelf, account, job_id, number)
        if file.kind in {"video", "image", "other"}:
            abort(404)
        if text := request.args.get("q", "")[:200]:
            return jsonify(responses.search(shelf.open(shown, file), text))
        first = request.args.get("first", 0, type=int)
        return jsonify(responses.lines(shelf.open(shown, file), first=max(0, first), count=1000))


def _job(shelf: ArchiveSource, account: str, job_id: str) -> ShownJob:
    try:
        shown = shelf.job(account, checked_id(job_id))
    except ValueError:
        shown = None
    if shown is None:
        abort(404)
    return shown


def _file(
    shelf: ArchiveSource, account: str, job_id: str, number: int
) -> tuple[ShownJob, ShownFile]:
    shown = _job(shelf, account, job_id)
    if not 0 <= number < len(shown.files):
        abort(404)
    return shown, shown.files[number]


def _query() -> tuple[ArchiveQuery, dict[str, Any]]:
    """What the address asks for, and the same as the form shows it. What cannot be meant is left
    out.
    """
    given: dict[str, Any] = {name: clean(request.args.get(name, "").strip()[:300]) for name in
                             ("q", "owner", "build", "account", "since", "until")}  # fmt: skip
    given["status"] = [status for status in request.args.getlist("status") if status in STATUSES]
    page = max(1, min(request.args.get("page", 1, type=int), 1_000_000))
    try:
        owner = owner_name(given["owner"]) if given["owner"] else None
    except ValueError:
        owner, given["owner"] = None, ""
    query = ArchiveQuery(
        account=given["account"] or None,
        owner=owner,
        build=given["build"] or None,
        status=tuple(given["status"]),
        text=given["q"] or None,
        since=_midnight(given["since"]),
        until=_midnight(given["until"], days=1),
        limit=_PAGE,
        skip=(page - 1) * _PAGE,
    )
    return query, given


def _midnight(text: str, *, days: int = 0) -> int | None:
    """The first second of a day in UTC, or of so many days later; None for what is no day."""
    if not _DAY.fullmatch(text):
        return None
    try:
        day = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) + dt.timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return int(day.timestamp())


def _paging(
    query: ArchiveQuery, found: int, endpoint: str, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Which page this is, and where the others are."""
    page, pages = query.skip // _PAGE + 1, max(1, -(-found // _PAGE))
    asked: dict[str, Any] = {name: value for name, value in given.items() if value}

    def address(number: int) -> str | None:
        return (
            url_for(endpoint, **asked, page=number)
            if 1 <= number <= pages and number != page
            else None
        )

    here = url_for(endpoint, **(asked | {"page": page} if page > 1 else asked))
    return {
        "page": page,
        "pages": pages,
        "asked": asked,
        "back": here.partition("?")[2],
        "before": address(page - 1),
        "after": address(page + 1),
    }


def _as_data(shown: ShownJob) -> dict[str, Any]:
    """What the page's scripts need: numbers and cleaned names, never bytes."""
    base = url_for("job", account=shown.entry.account, job_id=shown.entry.job_id)
    return {
        "base": base,
        "startedAt": shown.started_at,
        "files": [
            {
                "number": file.number,
                "name": clean(file.name),
                "bytes": file.bytes,
                "kind": file.kind,
            }
            for file in shown.files
        ],
    }


# --- words ----------------------------------------------------------------------------------------


def clean(text: object) -> str:
    """One line without control characters, and without those that turn the direction of writing."""
    return "".join(
        (
            "\N{REPLACEMENT CHARACTER}"
            if unicodedata.category(each) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
            else each
        )
        for each in str(text)
    )


def _when(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M}"


def _iso(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%dT%H:%M:%SZ}"


def _size(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _span(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
