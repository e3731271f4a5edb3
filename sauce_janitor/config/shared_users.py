"""Whose jobs two accounts of one configuration are both about. One user's jobs at one address
belong to one account.

Two accounts with the same jobs would judge them twice: what one keeps for ever the other may
delete. What the files alone tell is refused here; what depends on credentials or on an
organization's members is left to the run.
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
"""A user, by name or by where the name is read from: the same source gives the same user."""


def place(base_url: str) -> str:
    """Return host and port, one spelling for each place: letters' case, default ports and Sauce
    Labs' older hosts aside.

    Sauce Labs' API answers without `api.`, too, and the first region at saucelabs.com itself.
    Source: its client libraries.
    """
    address = urlsplit(base_url)
    host = (address.hostname or "").rstrip(".")
    port = address.port or _PORTS.get(address.scheme, 0)
    if is_loopback(host):
        host = "localhost"
    elif host.endswith(_VENDOR) or host == _VENDOR[1:]:
        host = host.removeprefix("api.")
        host = f"{_FIRST_REGION}{_VENDOR}" if host == _VENDOR[1:] else host
    return f"{host}:{port}"


def folded(user: str) -> str:
    """Return the user name as the vendor compares it: letters' case does not matter."""
    return user.casefold()


def named(account: Account) -> dict[str, str]:
    """Return the users that an account names, as written, by their folded names."""
    return {folded(user): user for user in account.users if user not in {ME, ORGANIZATION}}


def asks_as_itself(account: Account) -> bool:
    """Return whether the account is about the jobs of the user whose credentials it has."""
    return ME in account.users or ORGANIZATION in account.users


def overlaps(accounts: Sequence[Account]) -> Iterator[tuple[str, str, str]]:
    """Yield an account, an earlier one and the user that both are about, as far as the
    configuration tells.
    """
    for number, account in enumerate(accounts):
        for earlier in accounts[:number]:
            if place(account.base_url) == place(earlier.base_url):
                both = _in_both(earlier, account)
                if both is not None:
                    yield account.name, earlier.name, both


def _in_both(one: Account, other: Account) -> str | None:
    mine, theirs = _user_of(one), _user_of(other)
    if mine == theirs and ORGANIZATION in {*one.users, *other.users}:
        # With one credential, whoever is named is in the organization that the other asks for.
        return ORGANIZATION
    users, others = _users(one, mine), _users(other, theirs)
    return next((user for known, user in others.items() if known in users), None)


def _users(account: Account, itself: _Known) -> Mapping[_Known, str]:
    users: dict[_Known, str] = {("name", known): user for known, user in named(account).items()}
    if asks_as_itself(account):
        written = account.source.username
        users.setdefault(
            itself,
            written if isinstance(written, str) else itself[1] if itself[0] == "name" else ME,
        )
    return users


def _user_of(account: Account) -> _Known:
    source: CredentialSource = account.source
    if source.username is None:
        usual = source.usual_user(account.environ)
        return ("name", folded(usual)) if usual else ("usual", place(account.base_url))
    if isinstance(source.username, str):
        return "name", folded(source.username)
    kind, argument = source.username.kind, source.username.argument
    if kind == "env":
        known = account.environ.get(argument[0])
        return ("name", folded(known.strip())) if known else ("env", *argument)
    return kind, str(source.username.folder), *argument
