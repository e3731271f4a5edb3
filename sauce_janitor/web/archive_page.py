"""The archive's pages: lists of jobs and builds to browse and search, and one job with its video,
pictures, logs and requests.

They are read-only. All that is archived may come from strangers: names are escaped and their
control characters replaced, files are served so that no browser runs them, and URLs name files by
number.
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
from sauce_janitor.model.archive.entries import ArchiveQuery
from sauce_janitor.model.jobs import job_id as checked_id
from sauce_janitor.model.jobs import owner_name
from sauce_janitor.times import iso
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
_HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that a page never shows: controls, formats, line separators."""


def make_archive_view(archive: ArchiveSource, title: str) -> Flask:
    """Return the WSGI application, which needs a `guard.Guard` before it.

    `title` says which archive it shows.
    """
    app = Flask("sauce_janitor.web")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.filters |= {
        "when": _when,
        "iso": iso,
        "size": _size,
        "span": _span,
        "clean": clean,
    }
    app.jinja_env.globals |= {"archive_title": title, "statuses": STATUSES}
    _add_lists(app, archive)
    _add_jobs(app, archive)

    @app.after_request
    def add_policy(answer: Response) -> Response:
        # A stored file has a stricter policy of its own already.
        answer.headers.setdefault("Content-Security-Policy", POLICY)
        return answer

    @app.errorhandler(JanitorError)
    def show_error(error: JanitorError) -> tuple[str, int]:
        return render_template("archive_error.html", message=str(error), code=500), 500

    @app.errorhandler(HTTPException)
    def show_refusal(error: HTTPException) -> tuple[str, int]:
        code = error.code or 500
        message = "The archive has no such page, job or file." if code == 404 else error.description
        return render_template("archive_error.html", message=message or error.name, code=code), code

    return app


def _add_lists(app: Flask, archive: ArchiveSource) -> None:
    @app.get("/")
    def jobs() -> str:
        query, fields = _query()
        found, size = archive.count(query)
        return render_template(
            "archive_jobs.html",
            entries=list(archive.search(query)),
            found=found,
            size=size,
            fields=fields,
            owners=archive.owners(),
            **_paging(query, found, "jobs", fields),
        )

    @app.get("/builds")
    def builds() -> str:
        query, fields = _query()
        found = list(archive.builds(query))
        # Builds are not counted: a full page means that there may be one more page.
        more = len(found) == _PAGE
        count = query.skip + len(found) + more
        return render_template(
            "archive_builds.html",
            builds=found,
            fields=fields,
            owners=archive.owners(),
            **_paging(query, count, "builds", fields),
        )


def _add_jobs(app: Flask, archive: ArchiveSource) -> None:
    @app.get("/jobs/<account>/<job_id>")
    def job(account: str, job_id: str) -> str:
        shown = _job(archive, account, job_id)
        # The query of the list that the user came from; anything but a query is dropped.
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
        shown, file = _file(archive, account, job_id, number)
        return responses.answer(file, archive.open(shown, file), save="save" in request.args)

    @app.get("/jobs/<account>/<job_id>/files/<int:number>/lines")
    def lines(account: str, job_id: str, number: int) -> Response:
        shown, file = _file(archive, account, job_id, number)
        if file.kind in {"video", "image", "other"}:
            abort(404)
        if text := request.args.get("q", "")[:200]:
            return jsonify(responses.search(archive.open(shown, file), text))
        first = request.args.get("first", 0, type=int)
        return jsonify(responses.lines(archive.open(shown, file), first=max(0, first), count=1000))


def _job(archive: ArchiveSource, account: str, job_id: str) -> ShownJob:
    try:
        shown = archive.job(account, checked_id(job_id))
    except ValueError:
        # Not an id of Sauce Labs: it must not become part of a path on the disk.
        shown = None
    if shown is None:
        abort(404)
    return shown


def _file(
    archive: ArchiveSource, account: str, job_id: str, number: int
) -> tuple[ShownJob, ShownFile]:
    shown = _job(archive, account, job_id)
    if not 0 <= number < len(shown.files):
        abort(404)
    return shown, shown.files[number]


def _query() -> tuple[ArchiveQuery, dict[str, Any]]:
    """Return the query of the URL, and its values as the form shows them.

    Values that make no sense are left out.
    """
    fields: dict[str, Any] = {}
    for name in ("q", "owner", "build", "account", "since", "until"):
        fields[name] = clean(request.args.get(name, "").strip()[:300])
    fields["status"] = [status for status in request.args.getlist("status") if status in STATUSES]
    page = max(1, min(request.args.get("page", 1, type=int), 1_000_000))
    try:
        owner = owner_name(fields["owner"]) if fields["owner"] else None
    except ValueError:
        owner, fields["owner"] = None, ""
    query = ArchiveQuery(
        account=fields["account"] or None,
        owner=owner,
        build=fields["build"] or None,
        status=tuple(fields["status"]),
        text=fields["q"] or None,
        since=_midnight(fields["since"]),
        # The form names the last day, the query the first second after it.
        until=_midnight(fields["until"], days=1),
        limit=_PAGE,
        skip=(page - 1) * _PAGE,
    )
    return query, fields


def _midnight(text: str, *, days: int = 0) -> int | None:
    """Return the first second of the day that is `days` after the day in `text`, in UTC.

    Return None if the text is not a day.
    """
    if not _DAY.fullmatch(text):
        return None
    try:
        day = dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC) + dt.timedelta(days=days)
    # 2026-02-31, or the day after the last one that Python knows.
    except (ValueError, OverflowError):
        return None
    return int(day.timestamp())


def _paging(
    query: ArchiveQuery, found: int, endpoint: str, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the number of this page, and the URLs of the pages before and after it."""
    page, pages = query.skip // _PAGE + 1, max(1, -(-found // _PAGE))
    filters: dict[str, Any] = {name: value for name, value in fields.items() if value}

    def address(number: int) -> str | None:
        if number == page or not 1 <= number <= pages:
            return None
        return url_for(endpoint, **filters, page=number)

    here = url_for(endpoint, **(filters | {"page": page} if page > 1 else filters))
    return {
        "page": page,
        "pages": pages,
        "filters": filters,
        "back": here.partition("?")[2],
        "before": address(page - 1),
        "after": address(page + 1),
    }


def _as_data(shown: ShownJob) -> dict[str, Any]:
    """Return what the scripts of the page need: numbers and cleaned names, never bytes."""
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


# --- text -----------------------------------------------------------------------------------------


def clean(text: object) -> str:
    """Return one line without control characters and those that change the writing direction."""
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(each) in _HARMFUL else each
        for each in str(text)
    )


# In UTC, as the page says. `times.when` has the zone of the command that serves the page.
def _when(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at, dt.UTC):%Y-%m-%d %H:%M}"


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
