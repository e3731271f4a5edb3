"""The overview: what needs attention, the account or a table of accounts, workers and leases; and a
page for each account.

All of it is in memory, so these pages answer while the state, the disk or Sauce Labs does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from flask import Blueprint, Response, abort, current_app, render_template, request, url_for

from sauce_janitor.web.attention import (
    MOST_SHOWN,
    matters_of,
    matters_of_accounts,
    matters_of_all,
    notes_last,
    worst_tone,
)
from sauce_janitor.web.charts.account_charts import charts_of
from sauce_janitor.web.console import Section
from sauce_janitor.web.overview import AccountView, Overview

REFRESH_S: Final = 60
_PAGE: Final = 100
_TONES: Final = ("bad", "warn", "calm", None)


class OverviewSource(Protocol):
    """Gives the overview its values. Returns at once."""

    def overview(self) -> Overview:
        """Return the current values."""


def overview_section(source: OverviewSource) -> Section:
    """Return the overview of all accounts, at /, and of each, at /accounts/NAME."""
    pages = Blueprint("overview", __name__)

    @pages.get("/")
    def accounts() -> Response:
        view = source.overview()
        matters = matters_of_accounts(view)
        # A single account is shown at once.
        single = view.accounts[0] if len(view.accounts) == 1 else None
        values: dict[str, Any] = {} if single is None else _account_values(single)
        if single is None:
            values = _table_values(view.accounts)
        return _reloading(
            "overview/accounts.html",
            view=view,
            matters=notes_last((*matters_of_all(view), *matters[:MOST_SHOWN])),
            more=len(matters) - MOST_SHOWN,
            most_leases=_PAGE,
            **values,
        )

    @pages.get("/accounts/<path:name>")
    def account(name: str) -> Response:
        view = source.overview()
        found = next((each for each in view.accounts if each.name == name), None)
        if found is None:
            abort(404, f"The configuration has no account {name}.")
        return _reloading(
            "overview/account.html",
            view=view,
            matters=notes_last((*matters_of_all(view), *matters_of(found))),
            more=0,
            **_account_values(found),
        )

    return Section(pages, "overview.accounts", "Overview")


def _account_values(account: AccountView) -> dict[str, Any]:
    # The overview links to what else the console has.
    pages = current_app.view_functions
    return {
        "account": account,
        "charts": charts_of(account),
        "has_runs": "runs.show" in pages,
        "has_plan": "plan.show" in pages,
    }


def _table_values(accounts: Sequence[AccountView]) -> dict[str, Any]:
    """Return one page of the table: accounts that need attention first, then by name."""
    rows = sorted(
        ((worst_tone(each), each) for each in accounts),
        key=lambda row: (_TONES.index(row[0]), row[1].name),
    )
    count = max(1, -(-len(rows) // _PAGE))
    asked = request.args.get("page", default=1, type=int)
    page = min(max(1, asked), count)
    return {
        "account": None,
        "rows": rows[(page - 1) * _PAGE : page * _PAGE],
        "page": page,
        "pages": count,
        "before": _link(page - 1) if page > 1 else None,
        "after": _link(page + 1) if page < count else None,
    }


def _link(page: int) -> str:
    # None is left out.
    return url_for("overview.accounts", page=page, refresh=request.args.get("refresh"))


def _reloading(template: str, **values: Any) -> Response:
    """Return the page, which a browser reloads every minute."""
    refreshes = request.args.get("refresh") != "off"
    answer = Response(render_template(template, refreshes=refreshes, every_s=REFRESH_S, **values))
    # `?refresh=off` leaves the page as it is, to read it at leisure or to copy from it.
    if refreshes:
        answer.headers["Refresh"] = str(REFRESH_S)
    return answer
