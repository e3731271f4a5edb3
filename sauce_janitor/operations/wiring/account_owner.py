"""Checks which user and address the state knows an account by: corrected until a listing succeeded,
refused afterwards.
"""

from __future__ import annotations

from sauce_janitor.config import Account
from sauce_janitor.config.secrets import SecretSource
from sauce_janitor.config.shared_users import place
from sauce_janitor.errors import RefusedError
from sauce_janitor.state import KnownAccount, State


def admit(account: Account, state: State, username: str) -> None:
    """Record the account in the state with this user and its address, without binding it.

    Raise RefusedError, with the way to fix it, where the name is bound to another user or address.
    """
    other = state.accounts.admit(
        account.name, base_url=account.base_url, username=username, place=place
    )
    if other is not None:
        raise RefusedError(_refusal(account, username, other, state))


def _refusal(account: Account, username: str, other: KnownAccount, state: State) -> str:
    name = account.name
    known = [
        each.name
        for each in state.accounts.all().values()
        if each.is_bound and each.is_of(account.base_url, username, place)
    ]
    where = f"{account.source.file}:{account.source.line}"
    # The likely mistake: the account was renamed in the configuration only.
    if known:
        fix = (
            f"this state knows {username} there as account {known[0]}: rename {name} to {known[0]}"
            f" in {where}"
        )
    else:
        fix = (
            f"if it is another account, `sauce-janitor account rename {name} NEW-NAME` keeps what"
            f" is known of {other.username} under another name and frees this one; or give the new"
            f" account another name in {where}"
        )
    return (
        f"account {name} is {other.username} at {other.base_url} in this state, and the"
        f" configuration says {username} at {account.base_url}. Nothing changed. If that is a"
        f" mistake, correct {_wrong(account, username, other)}; {fix}"
    )


def _wrong(account: Account, username: str, other: KnownAccount) -> str:
    """Return what in the configuration differs, and where it stands."""
    where, differing = f"{account.source.file}:{account.source.line}", []
    source = account.source.username
    # The message names the line to correct: a user name may come from three places.
    if username.casefold() != other.username.casefold():
        if isinstance(source, SecretSource):
            differing.append(
                f"the user name, which {source.path} takes from {source}"
                f" ({source.file}:{source.line})"
            )
        elif source is None:
            differing.append(
                "SAUCE_USERNAME or saucectl's credentials, where the user name comes from"
            )
        else:
            differing.append(f"`username` of accounts.{account.name} ({where})")
    if place(account.base_url) != place(other.base_url):
        word = "base_url" if account.region is None else "region"
        differing.append(f"`{word}` of accounts.{account.name} ({where})")
    return " and ".join(differing)
