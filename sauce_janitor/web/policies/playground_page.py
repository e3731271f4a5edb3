"""The playground: an edit of the policies, and what it would change. It saves and sends nothing.

The guard has checked session, origin and CSRF token of each form before it comes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from flask import Blueprint, Response, abort, render_template, request
from werkzeug.exceptions import Forbidden

from sauce_janitor.errors import ConfigError, RefusedError
from sauce_janitor.model.jobs import JobId
from sauce_janitor.web.guard import CSRF

PLAYGROUND: Final = "/policies/playground"
"""The path of the form, which is larger than other forms."""


@dataclass(frozen=True, slots=True)
class ShownTest:
    """One test of the policies, where it is written, and what it finds wrong."""

    name: str
    place: str
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class KeyHelp:
    """The keys that something can have, each with its description."""

    where: str
    keys: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class TrialFault:
    """What is wrong with an edit, and in which of its lines; None for another place."""

    line: int | None
    message: str


@dataclass(frozen=True, slots=True)
class TrialJob:
    """One job that an edit changes: its name, and what happens to it before and after."""

    job_id: JobId
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class TrialChange:
    """One kind of change by one policy: how many jobs, how many of them are due now, the first."""

    words: str
    policy: str
    jobs: int
    due_now: int
    examples: tuple[TrialJob, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """What an edit would change for an account.

    With `faults` it is not valid, and the rest is empty. `note` says why there is no `summary`.
    `tests` is None where running them takes too long. `patch` are lines of a patch.
    """

    account: str
    faults: tuple[TrialFault, ...] = ()
    more_faults: int = 0
    note: str | None = None
    summary: str | None = None
    as_of: int | None = None
    changes: tuple[TrialChange, ...] = ()
    limits: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    tests: tuple[ShownTest, ...] | None = ()
    patch: tuple[str, ...] = ()


class PlaygroundSource(Protocol):
    """Tries edits. Each method may raise a JanitorError."""

    def accounts(self) -> Sequence[str]:
        """Return the names of the configured accounts, in their order."""

    def text(self) -> str:
        """Return the sections of the file in use that an edit can change."""

    def keys(self) -> Sequence[KeyHelp]:
        """Return the keys that an edit can have."""

    def try_out(self, text: str, account: str, /) -> Trial:
        """Return what an edit would change for an account."""

    def patch(self, text: str, /) -> str:
        """Return a valid edit as a patch. Raise ConfigError for another one."""


def add_playground(pages: Blueprint, source: PlaygroundSource) -> None:
    """Add the playground to the pages of the policies."""

    @pages.get("/playground")
    def playground() -> str:
        return _page(source, source.text(), _account(source), None)

    @pages.post("/playground")
    def try_edit() -> str | Response | tuple[str, int]:
        # Also the token, and where nobody signs in: a form needs a session.
        if not request.environ.get(CSRF):
            raise Forbidden("Trying an edit needs a session: sign in. See web.auth.users.")
        account, text = _account(source), request.form.get("text", "")
        try:
            if request.form.get("as") == "patch":
                return Response(
                    source.patch(text),
                    content_type="text/x-diff; charset=utf-8",
                    headers={"Content-Disposition": 'attachment; filename="policies.patch"'},
                )
            trial = source.try_out(text, account)
        except RefusedError as error:
            return _page(source, text, account, Trial(account, note=str(error))), 409
        # A patch of an edit that is not valid: the page says what is wrong.
        except ConfigError:
            trial = source.try_out(text, account)
        return _page(source, text, account, trial), 400 if trial.faults else 200


def _account(source: PlaygroundSource) -> str:
    accounts = source.accounts()
    account = request.values.get("account") or next(iter(accounts), "")
    if account not in accounts:
        abort(404, "There is no such account in the configuration.")
    return account


def _page(source: PlaygroundSource, text: str, account: str, trial: Trial | None) -> str:
    return render_template(
        "policies/playground.html",
        accounts=source.accounts(),
        account=account,
        text=text,
        keys=source.keys(),
        trial=trial,
    )
