"""What commands that ask Sauce Labs nothing go by: the accounts of a configuration, and their jobs
as the state knows them.
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config
    from sauce_janitor.model.jobs import Owner
    from sauce_janitor.state import KnownAccount, Query, State


def chosen(config: Config, wanted: tuple[str, ...]) -> list[Account]:
    """The accounts of these names, all if there are none. ConfigError for one that the
    configuration does not have.
    """
    known = {account.name for account in config.accounts}
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"there is no account {name!r} in {config.file}; there are: "
                f"{', '.join(sorted(known))}"
            )
    return [account for account in config.accounts if not wanted or account.name in wanted]


def account(config: Config, name: str) -> Account | None:
    """The account of that name, if there is one."""
    return next((each for each in config.accounts if each.name == name), None)


def policies(config: Config, wanted: tuple[str, ...]) -> frozenset[str]:
    """The policies of these names. ConfigError for one that no account has."""
    known = {
        policy.name for account in config.accounts for policy in config.rules(account.name).policies
    }
    for name in wanted:
        if name not in known:
            raise ConfigError(
                f"there is no policy {name!r} in {config.file}; there are: "
                f"{', '.join(sorted(known))}"
            )
    return frozenset(wanted)


def existing(path: Path) -> Path:
    """The state at that path. ConfigError when there is none: to look at it must not make one."""
    if not path.exists():
        raise ConfigError(
            f"no job is known yet, there is no state at {path}: `sauce-janitor plan` lists the "
            "jobs first"
        )
    return path


def look(config: Config, path: Path | None = None, *, scratch: bool = False) -> State:
    """Open the state, or the one at `path`, to read it; say on stderr where it may be old.

    With `scratch`, what is written to one that cannot be written here goes to a private copy that
    vanishes. Raises as `State.look`.
    """
    from sauce_janitor import report, terminal
    from sauce_janitor.state import State

    path = path or config.state
    state = State.look(path, accept_filesystem=config.accept_filesystem, scratch=scratch)
    if state.as_of is not None:
        at = report.when(state.as_of)
        said = f"the state {path} cannot be written here: read as of its last change, {at}"
        terminal.echo(f"sauce-janitor: {said}", err=True)
    return state


def archive_key(config: Config, account: str | None) -> str | None:
    """The name by which the archive has the account of that name; without a state, the name
    itself.
    """
    if account is None or not config.state.exists():
        return account
    with look(config) as state:
        return state.accounts.key(account)


def query(config: Config, state: State, account: Account, *, as_of: int) -> Query:
    """The account's jobs, as a run would plan on them. ConfigError when none was ever listed."""
    from sauce_janitor.operations.holds import open_holding
    from sauce_janitor.state import Query

    name = account.name
    rules, digest = config.rules(name), config.policy_digest(name)
    with ExitStack() as stack:
        held = open_holding(config.archive, name, state, stack=stack).mirrored(at=as_of)
    return Query(name, owners(state, account), rules.age_from, as_of, digest, held)


def owners(state: State, account: Account) -> tuple[Owner, ...]:
    """Whose jobs the configuration is about; `me`, `organization` and teams are who they were when
    jobs were listed last.
    """
    from sauce_janitor.model.jobs import owner_name
    from sauce_janitor.operations.wiring.owners import known_owners, resolve_owners

    mine = owner_name(_known(state, account).username)
    return resolve_owners(
        account.users, mine, known_owners(state, account), None, teams=account.teams
    ).owners


def identity(state: State, account: Account) -> str:
    """Which account this is, for people: `eu: jane at https://api.eu-central-1.saucelabs.com`."""
    found = _known(state, account)
    return f"{account.name}: {found.username} at {found.base_url}"


def _known(state: State, account: Account) -> KnownAccount:
    found = state.accounts.all().get(account.name)
    if found is None:
        raise ConfigError(
            f"no job of account {account.name} is known yet: `sauce-janitor plan` lists them first"
        )
    return found


def listed(state: State, account: Account) -> str:
    """When all of the account's jobs were last listed, in words."""
    from sauce_janitor import report

    full_at = state.jobs.full_at(account.name, owners(state, account))
    return "never listed whole" if full_at is None else f"listed whole {report.when(full_at)}"
