"""The page of one archived job: its video, pictures, logs and requests.

All that is archived may come from strangers: files are served so that no browser runs them, and
URLs name files by number.
"""

from __future__ import annotations

import re
from typing import Any, Final

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for

from sauce_janitor.model.jobs import job_id as checked_id
from sauce_janitor.web import responses
from sauce_janitor.web.archive_query import ArchiveSource, ShownFile, ShownJob
from sauce_janitor.web.console import Section
from sauce_janitor.web.page_text import clean

_SHOTS_WITHOUT_SCRIPT: Final = 60
_NONE: Final = "The archive has no such job or file."


def job_section(archive: ArchiveSource) -> Section:
    """Return the page of each job, at /jobs/ACCOUNT/JOB, and its files."""
    pages = Blueprint("job", __name__, url_prefix="/jobs/<account>/<job_id>")

    @pages.get("")
    def show(account: str, job_id: str) -> str:
        shown = _job(archive, account, job_id)
        # The query of the list that the user came from; anything but a query is dropped.
        back = request.args.get("from", "")
        return render_template(
            "job/show.html",
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

    @pages.get("/files/<int:number>")
    def asset(account: str, job_id: str, number: int) -> Response:
        shown, file = _file(archive, account, job_id, number)
        return responses.answer(file, archive.open(shown, file), save="save" in request.args)

    @pages.get("/files/<int:number>/lines")
    def lines(account: str, job_id: str, number: int) -> Response:
        shown, file = _file(archive, account, job_id, number)
        if file.kind in {"video", "image", "other"}:
            abort(404, _NONE)
        if text := request.args.get("q", "")[:200]:
            return jsonify(responses.search(archive.open(shown, file), text))
        first = request.args.get("first", 0, type=int)
        return jsonify(responses.lines(archive.open(shown, file), first=max(0, first), count=1000))

    return Section(pages, "job.show")


def _job(archive: ArchiveSource, account: str, job_id: str) -> ShownJob:
    try:
        shown = archive.job(account, checked_id(job_id))
    except ValueError:
        # Not an id of Sauce Labs: it must not become part of a path on the disk.
        shown = None
    if shown is None:
        abort(404, _NONE)
    return shown


def _file(
    archive: ArchiveSource, account: str, job_id: str, number: int
) -> tuple[ShownJob, ShownFile]:
    shown = _job(archive, account, job_id)
    if not 0 <= number < len(shown.files):
        abort(404, _NONE)
    return shown, shown.files[number]


def _as_data(shown: ShownJob) -> dict[str, Any]:
    """Return what the scripts of the page need: numbers and cleaned names, never bytes."""
    base = url_for("job.show", account=shown.entry.account, job_id=shown.entry.job_id)
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
