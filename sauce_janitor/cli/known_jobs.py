"""The accounts of a configuration, and their jobs as the state knows them.

For commands that send nothing to Sauce Labs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config, ServerAddress
    from sauce_janitor.model.jobs import Owner
    from sauce_janitor.state import Query, State


def select_accounts(config: Config, names: tuple[str, ...]) -> list[Account]:
    """Return the accounts with these names, in the configuration's order; all if there is no name.

    Raises ConfigError for a name that the configuration does not have.
    """
    known = {account.name for account in config.accounts}
    for name in names:
        if name not in known:
            raise ConfigError(
                f"there is no account {name!r} in {config.file}; there are: "
                f"{', '.join(sorted(known))}"
            )
    return [account for account in config.accounts if not names or account.name in names]


def find_account(config: Config, name: str) -> Account | None:
    """Return the account with that name, or None."""
    return next((each for each in config.accounts if each.name == name), None)


def select_policies(config: Config, names: tuple[str, ...]) -> frozenset[str]:
    """Return the names, after checking them. Raises ConfigError for one that no account has."""
    known: set[str] = set()
    for account in config.accounts:
        known.update(policy.name for policy in config.rules(account.name).policies)
    for name in names:
        if name not in known:
            raise ConfigError(
                f"there is no policy {name!r} in {config.file}; there are: "
                f"{', '.join(sorted(known))}"
            )
    return frozenset(names)


def existing_state(path: Path | ServerAddress) -> Path | ServerAddress:
    """Return `path`. Raises ConfigError if there is no state: a reading command creates none."""
    if not path.exists():
        raise ConfigError(
            f"no job is known yet: there is no state at {path}. Run `sauce-janitor plan` first"
        )
    return path


def open_to_read(
    config: Config, path: Path | ServerAddress | None = None, *, scratch: bool = False
) -> State:
    """Open the state, or the one at `path`, for reading. Warn on stderr if it may be outdated.

    With `scratch`, a command may write notes: if the state is on a read-only disk, they go to a
    private copy that is deleted at the end. Raises as `State.look` does.
    """
    from sauce_janitor import report, terminal
    from sauce_janitor.state import State

    path = path or config.state
    state = State.look(path, accept_filesystem=config.accept_filesystem, scratch=scratch)
    # Only a snapshot of a read-only state has such a time: else it is read as it is now.
    if state.as_of is not None:
        at = report.when(state.as_of)
        text = f"the state {path} cannot be written here: read as of its last change, {at}"
        terminal.echo(f"sauce-janitor: {text}", err=True)
    return state


def archive_key(config: Config, account: str | None) -> str | None:
    """Return the name of the account's folder in the archive; without a state, the account's name.

    They differ after a rename: the folder keeps the first name.
    """
    # Only a state knows of renames.
    if account is None or not config.state.exists():
        return account
    with open_to_read(config) as state:
        return state.accounts.key(account)


def query(config: Config, state: State, account: Account, *, as_of: int) -> Query:
    """Return the query for the jobs that a run would plan for.

    Raises ConfigError if the account was never listed.
    """
    from sauce_janitor.console.known_query import known_query

    return known_query(config, state, account, as_of=as_of)


def owners(state: State, account: Account) -> tuple[Owner, ...]:
    """Return the users whose jobs the configuration selects.

    `me`, `organization` and teams mean the users of the last listing.
    """
    from sauce_janitor.console.known_query import owners_of

    return owners_of(state, account)


def identity(state: State, account: Account) -> str:
    """Return the account for people: `eu: jane at https://api.eu-central-1.saucelabs.com`."""
    from sauce_janitor.console.known_query import known_account

    found = known_account(state, account)
    return f"{account.name}: {found.username} at {found.base_url}"


def listing_text(state: State, account: Account) -> str:
    """Return when all of the account's jobs were last listed, for people."""
    from sauce_janitor import report

    full_at = state.jobs.full_at(account.name, owners(state, account))
    return (
        "never listed completely"
        if full_at is None
        else f"listed completely {report.when(full_at)}"
    )
