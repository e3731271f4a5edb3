"""The pages of changes: what is paused, held and approved, and a form for each change.

The guard has checked session, origin and CSRF token of each POST before it comes here; these pages
check the role. After a change the browser is led back to the overview, so that a reload repeats
nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NoReturn

import structlog
from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from sauce_janitor.errors import ConfigError, JanitorError, RefusedError
from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.jobs import job_id as checked_id
from sauce_janitor.model.roles import Principal, Role
from sauce_janitor.web.changes.change_source import Change, ChangeSource
from sauce_janitor.web.console import Section
from sauce_janitor.web.guard import CSRF, PRINCIPAL
from sauce_janitor.web.page_text import clean

NOTICES: Final = {
    "paused": "Paused. Nothing is changed until somebody resumes.",
    "paused-partly": (
        "Paused, in one place only: the log says why. Nothing is changed until somebody resumes."
    ),
    "was-paused": "It was paused already. The first pause stays, with its reason.",
    "resumed": "Resumed.",
    "was-running": "It was not paused.",
    "held": "The job is held.",
    "held-unknown": (
        "The job is held. It is not in the inventory: if it exists at Sauce Labs, it is held as"
        " well."
    ),
    "held-unmirrored": (
        "The job is held. The hold is not yet mirrored in the archive; the next run does it."
    ),
    "released": "The job is released.",
    "approved": "The plan is approved: for 24 hours, its limits do not stop it.",
}
"""What a page says after a change. A URL names one of these words, and nothing else can be said."""
_ROLES: Final = {
    "pause": Role.OPERATOR,
    "resume": Role.OPERATOR,
    "hold": Role.OPERATOR,
    "release": Role.APPROVER,
    "approve": Role.APPROVER,
}
_SHORTEST_REASON: Final = 3
_LONGEST_REASON: Final = 300
_MOST_DAYS: Final = 3650
_DAYS: Final = re.compile(r"[0-9]{1,9}")


class InvalidFormError(ConfigError):
    """The form has a value that makes no sense; nothing was changed."""


def change_section(source: ChangeSource) -> Section:
    """Return the pages of changes, at /changes."""
    pages = Blueprint("changes", __name__, url_prefix="/changes")

    @pages.get("")
    def overview() -> str:
        notice = NOTICES.get(request.args.get("done", ""))
        return render_template("changes/overview.html", view=source.overview(), notice=notice)

    _add_pauses(pages, source)
    _add_holds(pages, source)
    _add_approvals(pages, source)
    return Section(pages, "changes.overview", "Changes")


def _add_pauses(pages: Blueprint, source: ChangeSource) -> None:
    @pages.get("/pause")
    def pause() -> str:
        _require("pause")
        return render_template("changes/pause.html")

    @pages.post("/pause")
    def do_pause() -> Response | tuple[str, int]:
        return _carried_out("pause", source.pause, lambda: render_template("changes/pause.html"))

    def resume_page() -> str:
        return render_template("changes/resume.html", paused=source.overview().paused)

    @pages.get("/resume")
    def resume() -> str:
        _require("resume")
        return resume_page()

    @pages.post("/resume")
    def do_resume() -> Response | tuple[str, int]:
        seen = request.form.get("seen", "")
        return _carried_out("resume", lambda change: source.resume(change, seen=seen), resume_page)


def _add_holds(pages: Blueprint, source: ChangeSource) -> None:
    def hold_page() -> str:
        return render_template("changes/hold.html", accounts=source.overview().accounts)

    @pages.get("/hold")
    def hold() -> str:
        _require("hold")
        return hold_page()

    @pages.post("/hold")
    def do_hold() -> Response | tuple[str, int]:
        account = request.form.get("account", "")

        def held(change: Change) -> str:
            return source.hold(change, account, _job_of_form(), days=_days())

        return _carried_out("hold", held, hold_page, account=account, job=_typed_job())

    def release_page() -> str:
        account, job = request.values.get("account", ""), request.values.get("job", "")
        try:
            holds = source.holds_on(account, checked_id(job))
        # Neither can be shown again: the form's link names them.
        except (ValueError, ConfigError):
            abort(404, "There is no such job.")
        return render_template("changes/release.html", holds=holds, account=account, job=job)

    @pages.get("/release")
    def release() -> str:
        _require("release")
        return release_page()

    @pages.post("/release")
    def do_release() -> Response | tuple[str, int]:
        account = request.form.get("account", "")

        def released(change: Change) -> str:
            return source.release(change, account, _job_of_form())

        return _carried_out("release", released, release_page, account=account, job=_typed_job())


def _add_approvals(pages: Blueprint, source: ChangeSource) -> None:
    def approve_page() -> str:
        account = request.values.get("account", "")
        plans = [plan for plan in source.overview().waiting if plan.account == account]
        return render_template(
            "changes/approve.html", plan=plans[0] if plans else None, account=account
        )

    @pages.get("/approve")
    def approve() -> str:
        _require("approve")
        return approve_page()

    @pages.post("/approve")
    def do_approve() -> Response | tuple[str, int]:
        account = request.form.get("account", "")
        number = request.form.get("number", -1, type=int)

        def approved(change: Change) -> str:
            return source.approve(change, account, number=number)

        return _carried_out("approve", approved, approve_page, account=account, plan=number)


def _carried_out(
    kind: str, change: Callable[[Change], str], page: Callable[[], str], **about: object
) -> Response | tuple[str, int]:
    """Carry a change out and lead to the overview, or show the form again with what was wrong."""
    who = _require(kind, **about)
    reason = clean(request.form.get("reason", "").strip())
    log = structlog.get_logger().bind(change=kind, user=who.name, role=str(who.role), **about)
    try:
        if not _SHORTEST_REASON <= len(reason) <= _LONGEST_REASON:
            raise InvalidFormError(
                f"Write a reason, of {_SHORTEST_REASON} to {_LONGEST_REASON} characters."
            )
        # The name of a user of the console may be that of another person on a machine.
        done = change(Change(f"{who.name} (console)", reason))
    except JanitorError as error:
        log.warning("web.change", result="refused", reason=reason, why=str(error))
        # Templates have it, too.
        g.message = str(error)
        return page(), _status_of(error)
    log.info("web.change", result=done, reason=reason)
    return redirect(url_for("changes.overview", done=done), 303)


def _status_of(error: JanitorError) -> int:
    if isinstance(error, InvalidFormError):
        return 400
    # What the form says is not true any more.
    return 409 if isinstance(error, RefusedError | ConfigError) else 500


def _require(kind: str, **about: object) -> Principal:
    """Return who sends the request. Answer with 403 if the role does not allow the change."""
    who: Principal = request.environ.get(PRINCIPAL) or Principal("anonymous")
    # Also the token, and where nobody signs in: without a session nothing can be changed.
    if not request.environ.get(CSRF) or not who.may(_ROLES[kind]):
        structlog.get_logger().warning(
            "web.change", change=kind, user=who.name, role=str(who.role), result="refused",
            why="the role does not allow it", **about,
        )  # fmt: skip
        _forbid(f"You are {who.role}. This needs the role {_ROLES[kind]}.")
    return who


def _forbid(sentence: str) -> NoReturn:
    abort(403, sentence)


def _typed_job() -> str:
    """Return the job of the form for the log: what is no id is not repeated."""
    try:
        return _job_of_form()
    except InvalidFormError:
        return "(not an id)"


def _job_of_form() -> JobId:
    try:
        return checked_id(request.form.get("job", "").strip().lower())
    except ValueError:
        raise InvalidFormError("Write the job's whole id: 32 hexadecimal digits.") from None


def _days() -> int | None:
    text = request.form.get("days", "").strip()
    if not text:
        return None
    # No end may be so far away that no calendar has it.
    days = int(text) if _DAYS.fullmatch(text) else 0
    if not 1 <= days <= _MOST_DAYS:
        raise InvalidFormError(f"Write 1 to {_MOST_DAYS:,} days, or leave it empty.")
    return days
