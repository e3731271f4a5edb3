"""The page of one job: what happens to it and why, its history, and what of it is archived.

All that is archived may come from strangers: files are served so that no browser runs them, and
URLs name files by number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final, Protocol

from flask import Blueprint, Response, abort, jsonify, render_template, request, url_for

from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.jobs import job_id as checked_id
from sauce_janitor.web import responses
from sauce_janitor.web.archive_query import ArchiveSource, ShownFile, ShownJob
from sauce_janitor.web.console import Section
from sauce_janitor.web.journal_page import ShownLine
from sauce_janitor.web.page_text import clean

_SHOTS_WITHOUT_SCRIPT: Final = 60
_NOWHERE: Final = "No account here knows this job, and the archive does not have it."
_NO_FILE: Final = "The archive has no such job or file."
_EXPLAINED_AT_ONCE: Final = 5_000
"""Up to how many known jobs an account's job is explained without being asked: all are read."""


@dataclass(frozen=True, slots=True)
class JobHead:
    """What a job is: the values that the inventory or the archive has of it."""

    account: str
    job_id: str
    owner: str
    name: str | None = None
    status: str | None = None
    error: str | None = None
    build: str | None = None
    os: str | None = None
    browser: str | None = None
    ended_at: int | None = None
    duration_s: int | None = None


@dataclass(frozen=True, slots=True)
class KnownJob:
    """What the state knows of a job. `remarks` are sentences: holds, waits, how it was deleted.

    `facts` are pairs of name and text. `is_listed`: it is in the inventory, so rules apply to it.
    `others` is how many jobs the account has: what it takes to explain one.
    """

    head: JobHead
    is_listed: bool
    facts: tuple[tuple[str, str], ...]
    remarks: tuple[str, ...]
    history: tuple[ShownLine, ...]
    others: int


@dataclass(frozen=True, slots=True)
class ShownOutlook:
    """One action: what comes when, and the reasons."""

    action: str
    time: str
    reasons: str


@dataclass(frozen=True, slots=True)
class ShownKeep:
    """One keep rule: what it says about the job, and the job's place from 0 (newest) to 100."""

    rule: str
    text: str
    keeps: bool
    place: float | None


@dataclass(frozen=True, slots=True)
class ShownPolicy:
    """One policy that matches or may match: how it stands, its rules, and the job's group.

    `place` is the job's place in the group from 0 (newest) to 100 (oldest), None without a rank.
    """

    name: str
    standing: str
    decides: bool
    rules: tuple[ShownOutlook, ...]
    group: str | None
    place: float | None
    keeps: tuple[ShownKeep, ...]


@dataclass(frozen=True, slots=True)
class ShownExplanation:
    """Why a job stays or is deleted. `silent` are policies that do not match; `saves` sentences on
    what would keep it.
    """

    outlooks: tuple[ShownOutlook, ...]
    remarks: tuple[str, ...]
    policies: tuple[ShownPolicy, ...]
    silent: tuple[str, ...]
    saves: tuple[str, ...]


class JobPageSource(Protocol):
    """Gives the page what the state knows. Every method may raise a JanitorError."""

    def job(self, account: str, job_id: JobId, /) -> KnownJob | None:
        """Return what is known of a job; None if the account does not know it."""

    def explanation(self, account: str, job_id: JobId, /) -> ShownExplanation | None:
        """Return why the job stays or goes; None if it is not in the inventory. Reads every job of
        the account.
        """


def job_section(archive: ArchiveSource, jobs: JobPageSource | None = None) -> Section:
    """Return the page of each job, at /jobs/ACCOUNT/JOB, and its files.

    Without `jobs`, only what is archived is shown.
    """
    pages = Blueprint("job", __name__, url_prefix="/jobs/<account>/<job_id>")

    @pages.get("")
    def show(account: str, job_id: str) -> str:
        wanted = _id_of(job_id, _NOWHERE)
        is_indexing = archive.keep_up()
        known = None if jobs is None else jobs.job(account, wanted)
        shown = _archived(archive, account, wanted, is_known=known is not None)
        explanation = None
        is_explained = known is not None and _is_explained(known)
        if jobs is not None and is_explained:
            explanation = jobs.explanation(account, wanted)
        # The archive still has the name of a job that the inventory has forgotten.
        if shown is not None and (known is None or not known.is_listed):
            head = _head_of(shown)
        elif known is not None:
            head = known.head
        else:
            abort(404, _NOWHERE)
        # The query of the list that the user came from; anything but a query is dropped.
        back = request.args.get("from", "")
        return render_template(
            "job/show.html",
            head=head,
            known=known,
            explanation=explanation,
            is_explained=is_explained,
            job=shown,
            is_indexing=is_indexing,
            back=back if re.fullmatch(r"[A-Za-z0-9%&=_.*+~-]{0,600}", back) else "",
            **({} if shown is None else _viewer(shown)),
        )

    @pages.get("/files/<int:number>")
    def asset(account: str, job_id: str, number: int) -> Response:
        shown, file = _file(archive, account, job_id, number)
        return responses.answer(file, archive.open(shown, file), save="save" in request.args)

    @pages.get("/files/<int:number>/lines")
    def lines(account: str, job_id: str, number: int) -> Response:
        shown, file = _file(archive, account, job_id, number)
        if file.kind in {"video", "image", "other"}:
            abort(404, _NO_FILE)
        if text := request.args.get("q", "")[:200]:
            return jsonify(responses.search(archive.open(shown, file), text))
        first = request.args.get("first", 0, type=int)
        return jsonify(responses.lines(archive.open(shown, file), first=max(0, first), count=1000))

    return Section(pages, "job.show")


def _id_of(text: str, refusal: str) -> JobId:
    """Return the id, which becomes part of a path on the disk; refuse what is none."""
    try:
        return checked_id(text)
    except ValueError:
        abort(404, refusal)


def _is_explained(known: KnownJob) -> bool:
    """Return whether the rules are explained: only on request where that reads many jobs."""
    return known.is_listed and (known.others <= _EXPLAINED_AT_ONCE or "explain" in request.args)


def _archived(
    archive: ArchiveSource, account: str, job_id: JobId, *, is_known: bool
) -> ShownJob | None:
    """Return what is archived of the job; None if nothing is, or if that cannot be read although
    the state can.
    """
    try:
        return archive.job(account, job_id)
    except ArchiveError:
        # The archive may not exist yet, or be away: the overview says so.
        if is_known:
            return None
        raise


def _head_of(shown: ShownJob) -> JobHead:
    entry = shown.entry
    return JobHead(
        account=entry.account,
        job_id=entry.job_id,
        owner=entry.owner,
        name=entry.name,
        status=entry.status,
        error=entry.error,
        build=entry.build,
        os=entry.os,
        browser=entry.browser,
        ended_at=entry.ended_at,
        duration_s=entry.duration_s,
    )


def _viewer(shown: ShownJob) -> dict[str, Any]:
    """Return what the part of the page with the files needs."""
    kinds = {"commands", "har", "json", "text"}
    return {
        "entry": shown.entry,
        "videos": shown.of_kind("video"),
        "shots": shown.of_kind("image"),
        "shots_at_once": _SHOTS_WITHOUT_SCRIPT,
        "readable": [file for file in shown.files if file.kind in kinds],
        "data": _as_data(shown),
    }


def _file(
    archive: ArchiveSource, account: str, job_id: str, number: int
) -> tuple[ShownJob, ShownFile]:
    shown = archive.job(account, _id_of(job_id, _NO_FILE))
    if shown is None or not 0 <= number < len(shown.files):
        abort(404, _NO_FILE)
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
