"""Finds users whose jobs two accounts of one configuration would both cover.

A user's jobs at one address belong to one account: with two, what one account keeps forever the
other may delete. Overlaps that the configuration itself shows are refused here. Those that depend
on credentials or on the members of an organization are found by the run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from sauce_janitor.config.grammar.addresses import is_loopback
from sauce_janitor.config.secrets import CredentialSource
from sauce_janitor.config.values import Account

ME: Final = "me"
ORGANIZATION: Final = "organization"
_PORTS: Final = {"https": 443, "http": 80}
_VENDOR: Final = ".saucelabs.com"
_FIRST_REGION: Final = "us-west-1"
_Known: TypeAlias = tuple[str, ...]
"""A user by name, or by the source of the name: the same source gives the same user."""


def place(base_url: str) -> str:
    """Return host and port in one spelling, without regard to case and default ports.

    Sauce Labs' API also answers without `api.`, and the first region also at saucelabs.com itself:
    these become one spelling too. Source: Sauce Labs' client libraries.
    """
    address = urlsplit(base_url)
    host = (address.hostname or "").rstrip(".")
    port = address.port or _PORTS.get(address.scheme, 0)
    # 127.0.0.1, ::1 and localhost are one machine.
    if is_loopback(host):
        host = "localhost"
    elif host.endswith(_VENDOR) or host == _VENDOR[1:]:
        host = host.removeprefix("api.")
        host = f"{_FIRST_REGION}{_VENDOR}" if host == _VENDOR[1:] else host
    return f"{host}:{port}"


def folded(user: str) -> str:
    """Return the user name as Sauce Labs compares it: without regard to case."""
    return user.casefold()


def named(account: Account) -> dict[str, str]:
    """Return the users that an account names: folded name to the name as written."""
    return {folded(user): user for user in account.users if user not in {ME, ORGANIZATION}}


def asks_as_itself(account: Account) -> bool:
    """Return whether the account covers the jobs of the user whose credentials it has."""
    return ME in account.users or ORGANIZATION in account.users


def overlaps(accounts: Sequence[Account]) -> Iterator[tuple[str, str, str]]:
    """Yield (account, earlier account, user whose jobs both cover), as far as the file shows."""
    for number, account in enumerate(accounts):
        for earlier in accounts[:number]:
            # Sauce Labs' data centers do not share jobs, so one user may be in an account of each.
            if place(account.base_url) == place(earlier.base_url):
                both = _in_both(earlier, account)
                if both is not None:
                    yield account.name, earlier.name, both


def _in_both(one: Account, other: Account) -> str | None:
    mine, theirs = _user_of(one), _user_of(other)
    if mine == theirs and ORGANIZATION in {*one.users, *other.users}:
        # Both have the same credentials, so each named user is in the organization of the other.
        return ORGANIZATION
    users, others = _users(one, mine), _users(other, theirs)
    return next((user for known, user in others.items() if known in users), None)


def _users(account: Account, itself: _Known) -> Mapping[_Known, str]:
    users: dict[_Known, str] = {("name", known): user for known, user in named(account).items()}
    if asks_as_itself(account):
        # The message shows the name as written, otherwise as found in the environment.
        written = account.source.username
        name = itself[1] if itself[0] == "name" else ME
        users.setdefault(itself, written if isinstance(written, str) else name)
    return users


def _user_of(account: Account) -> _Known:
    source: CredentialSource = account.source
    if source.username is None:
        usual = source.usual_user(account.environ)
        return ("name", folded(usual)) if usual else ("usual", place(account.base_url))
    if isinstance(source.username, str):
        return "name", folded(source.username)
    kind, argument = source.username.kind, source.username.argument
    # Two variables may hold the same name, so they are compared by value where they are set.
    if kind == "env":
        known = account.environ.get(argument[0])
        return ("name", folded(known.strip())) if known else ("env", *argument)
    # The folder counts, because a relative file name means another file in another folder.
    return kind, str(source.username.folder), *argument
