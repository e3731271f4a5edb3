"""Renames an account in the state: its jobs, holds, runs and copies stay with it."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress

import structlog

from sauce_janitor.config import Config
from sauce_janitor.config.shared_users import folded, place
from sauce_janitor.errors import ConfigError, RefusedError
from sauce_janitor.state import KnownAccount, State


def rename(config: Config, state: State, old: str, new: str) -> KnownAccount:
    """Rename an account in the state, and return it.

    The journal and the archive keep the former name as its key, so no line and no copy changes.
    Raise RefusedError where that would merge two accounts, where the configuration's `new` has
    another user or address, or while a change is in doubt; LeaseError while a run or another
    command works on either.
    """
    known = state.accounts.all()
    if old == new:
        raise RefusedError(f"account {old} already has this name. Nothing changed")
    if old in known:
        _refuse_another(config, known[old], new)
    with ExitStack() as stack:
        for name in sorted({old, new} & known.keys()):
            stack.enter_context(state.lease(name, "account rename", now=int(time.time())))
            stack.enter_context(state.manual_actions.lock(name, wait_s=0))
        state.accounts.rename(old, new)
    structlog.get_logger().info("account.renamed", account=new, before=old)
    return state.accounts.all()[new]


def _refuse_another(config: Config, known: KnownAccount, new: str) -> None:
    """Raise RefusedError where the configuration's account of the new name cannot be the renamed
    one.
    """
    account = next((each for each in config.accounts if each.name == new), None)
    if account is None:
        return
    is_there, user = place(account.base_url) == place(known.base_url), known.username
    # A secret that cannot be read now is compared by the next run.
    with suppress(ConfigError):
        user = account.user()
    if not is_there or folded(user) != folded(known.username):
        raise RefusedError(
            f"account {known.name} is {known.username} at {known.base_url}, and {new} is {user} at"
            f" {account.base_url} in {account.source.file}:{account.source.line}: they are two"
            " accounts. Nothing changed"
        )
