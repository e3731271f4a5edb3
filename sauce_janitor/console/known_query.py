"""The jobs that a run would plan for, as the state knows them: no request is sent."""

from __future__ import annotations

from contextlib import ExitStack

from sauce_janitor.config import Account, Config
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.jobs import Owner, owner_name
from sauce_janitor.operations.holds import open_holding
from sauce_janitor.operations.wiring.owners import known_owners, resolve_owners
from sauce_janitor.state import KnownAccount, Query, State


def known_query(config: Config, state: State, account: Account, *, as_of: int) -> Query:
    """Return the query for the jobs that a run would plan for at that time (epoch seconds).

    Raises ConfigError if the account was never listed.
    """
    name = account.name
    rules, digest = config.rules(name), config.policy_digest(name)
    with ExitStack() as stack:
        # Holds that the state does not have under this account protect jobs in a run, too.
        held = open_holding(config.archive, name, state, stack=stack).mirrored(at=as_of)
    return Query(name, owners_of(state, account), rules.age_from, as_of, digest, held)


def owners_of(state: State, account: Account) -> tuple[Owner, ...]:
    """Return the users whose jobs the configuration selects.

    `me`, `organization` and teams mean the users of the last listing.
    """
    mine = owner_name(known_account(state, account).username)
    # Without a client: teams and the organization are whoever was found last.
    return resolve_owners(
        account.users, mine, known_owners(state, account), None, teams=account.teams
    ).owners


def known_account(state: State, account: Account) -> KnownAccount:
    """Return the account as the state knows it. Raises ConfigError if it was never listed."""
    found = state.accounts.all().get(account.name)
    if found is None:
        raise ConfigError(
            f"no job of account {account.name} is known yet: run `sauce-janitor plan` first"
        )
    return found
