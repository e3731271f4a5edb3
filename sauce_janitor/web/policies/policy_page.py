"""The page of policies: what each matches, does and keeps, how many jobs it decides, and its tests;
and the configuration that results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from flask import Blueprint, abort, render_template, request

from sauce_janitor.web.console import Section
from sauce_janitor.web.page_text import clean
from sauce_janitor.web.policies.playground_page import PlaygroundSource, ShownTest, add_playground

_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class CardAction:
    """One action of a policy in words. `due` is how many jobs it is due for in the newest plan,
    None without a plan; `value` is the word of the action in a URL.
    """

    value: str
    name: str
    words: str
    due: int | None


@dataclass(frozen=True, slots=True)
class CardKeepRule:
    """One keep rule in words, and which actions it protects from."""

    name: str
    words: str
    scope: str


@dataclass(frozen=True, slots=True)
class PolicyCard:
    """One policy. `match` is None for a default; `matched` is how many known jobs match it, None
    where that is not recorded. `settings` and `remarks` are sentences.
    """

    name: str
    match: str | None
    actions: tuple[CardAction, ...]
    keeps: tuple[CardKeepRule, ...]
    settings: tuple[str, ...]
    matched: int | None
    remarks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AccountPolicies:
    """The policies of an account, in their order, and its holds.

    `as_of` is the time of the plan that the numbers are of, None without one. With `is_outdated`
    other policies made it. `warnings` are about this account's jobs.
    """

    account: str
    cards: tuple[PolicyCard, ...]
    holds: tuple[tuple[str, str], ...]
    as_of: int | None
    is_outdated: bool
    warnings: tuple[str, ...]


class PolicySource(Protocol):
    """Gives the pages the policies. Each method may raise a JanitorError."""

    def accounts(self) -> Sequence[str]:
        """Return the names of the configured accounts, in their order."""

    def policies(self, account: str, /) -> AccountPolicies:
        """Return the policies of a configured account."""

    def warnings(self) -> Sequence[str]:
        """Return what is probably wrong in the configuration."""

    def tests(self) -> Sequence[ShownTest] | None:
        """Return the results of all tests; None where running them takes too long for a page."""

    def configuration(self) -> Sequence[str]:
        """Return the lines of the effective configuration, as `config show` prints them."""


def policy_section(source: PolicySource, playground: PlaygroundSource) -> Section:
    """Return the pages of the policies, at /policies."""
    pages = Blueprint("policies", __name__, url_prefix="/policies")

    @pages.get("")
    def show() -> str:
        accounts = source.accounts()
        account = request.args.get("account") or next(iter(accounts), "")
        if account not in accounts:
            abort(404, f"The configuration has no account {clean(account)[:_LONGEST]}.")
        return render_template(
            "policies/show.html",
            accounts=accounts,
            page=source.policies(account),
            warnings=source.warnings(),
            tests=source.tests(),
        )

    @pages.get("/configuration")
    def configuration() -> str:
        return render_template("policies/configuration.html", lines=source.configuration())

    add_playground(pages, playground)
    return Section(pages, "policies.show", "Policies")
