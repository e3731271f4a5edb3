"""`state`: create, migrate, verify and copy the state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.confirmation import DRY_RUN
from sauce_janitor.errors import ConfigError, RefusedError, StateError

if TYPE_CHECKING:
    from sauce_janitor.config import Config, ServerAddress
    from sauce_janitor.state import State


@click.group()
def state() -> None:
    """Create, migrate, verify or copy the state. Sends nothing to Sauce Labs."""


@state.command()
@DRY_RUN
@click.pass_obj
def init(session: Session, *, dry_run: bool) -> None:
    """Create a state in the empty PostgreSQL database of `state.url`. No other command does."""
    from sauce_janitor.state import make_on_server

    address = _address(session.load(accounts_only=True), "init")
    if dry_run:
        terminal.echo(f"would make a state {address}, if its database is empty", err=True)
        return
    place, is_new = make_on_server(address)
    terminal.echo(f"Made a state in {place}." if is_new else f"{place} has a state already.")


@state.command()
@click.option(
    "--backed-up", is_flag=True, help="Confirm that the database is backed up, as with pg_dump."
)
@DRY_RUN
@click.pass_obj
def migrate(session: Session, *, backed_up: bool, dry_run: bool) -> None:
    """Bring the state of `state.url` to the schema of this version. Stop every process that uses it
    first.

    A state in a file needs no such command: it is copied and migrated when it is opened.
    """
    from sauce_janitor.state import migrate_on_server

    address = _address(session.load(accounts_only=True), "migrate")
    if dry_run:
        terminal.echo(f"would bring the state {address} to this version's schema", err=True)
        return
    # There is no copy beside a server's database, as there is beside a file.
    if not backed_up:
        raise RefusedError(
            "a migration cannot be undone: stop every process that uses the state, back up its"
            " database, then add --backed-up. Nothing changed"
        )
    place, found, changed = migrate_on_server(address)
    terminal.echo(
        f"Migrated {place} from schema {found}."
        if changed
        else f"{place} has this version's schema already."
    )


@state.command()
@click.pass_obj
def verify(session: Session) -> None:
    """Read the whole state: every line of the journal with its hash, and every job.

    Exits with 4 if something is damaged.
    """
    from sauce_janitor.cli import known_jobs

    config = session.load(accounts_only=True)
    known_jobs.existing_state(config.state)
    with known_jobs.open_to_read(config) as opened:
        opened.check_integrity()
        lines, jobs = opened.journal.verify(), 0
        for name in opened.accounts.all():
            jobs += sum(1 for _ in opened.jobs.records(name, as_of=int(time.time())))
        gaps = opened.failover_gaps()
    terminal.echo(f"Verified: {lines:,} lines of the journal, {jobs:,} jobs.")
    for sentence in gaps:
        terminal.echo(sentence, err=True)


def _address(config: Config, command: str) -> ServerAddress:
    """Return the address of the configured state. Raise ConfigError for a file."""
    if isinstance(config.state, Path):
        raise ConfigError(
            f"the state is a file ({config.state}): `state {command}` is for a state with"
            " `state.url`"
        )
    return config.state


def _copied(old: State, new: State, stack: ExitStack) -> tuple[int, int]:
    """Copy one state into the other; return the number of rows and of lines in the journal."""
    for name in old.accounts.all():
        # What a run writes meanwhile would be in the original only.
        stack.enter_context(old.lease(name, "state copy", now=int(time.time())))
    rows = sum(old.copy_to(new).values())
    lines = new.journal.verify()
    if new.journal.head() != old.journal.head():
        raise StateError("the journals of the copy and the original differ: do not use the copy")
    return rows, lines


@contextmanager
def _new_file(path: Path, accept_filesystem: str | None) -> Iterator[State]:
    """Make a state at `path`; it is removed again where the block fails."""
    from sauce_janitor.state import State

    with State.open(path, accept_filesystem=accept_filesystem) as opened:
        try:
            yield opened
        # Half a copy must not be taken for a state; the error is raised again.
        except BaseException:
            opened.close()
            path.unlink(missing_ok=True)
            raise


@state.command()
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The file to copy to the server.",
)
@click.option(
    "--to",
    "target",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A new file for the copy.",
)
@DRY_RUN
@click.pass_obj
def copy(session: Session, *, source: Path | None, target: Path | None, dry_run: bool) -> None:
    """Copy a state from a file into the new state of `state.url`, or from there into a new file.

    Before a copy to the server, run `state init`. Compares the number of rows of each table and the
    hashes of the journal. No run may work meanwhile. The copy is the same state: use only one of
    the two from then on.
    """
    from sauce_janitor.state import State

    if (source is None) == (target is None):
        raise click.UsageError("name one of --from FILE and --to FILE")
    config = session.load(accounts_only=True)
    address, accepted = _address(config, "copy"), config.accept_filesystem
    if source is not None and not source.exists():
        raise ConfigError(f"there is no state at {source}")
    if target is not None and target.exists():
        raise ConfigError(f"{target} exists: name a new file")
    if dry_run:
        places = (source, f"the state {address}")
        old_place, new_place = places if source is not None else (places[1], target)
        terminal.echo(f"would copy {old_place} to {new_place}", err=True)
        return
    with ExitStack() as stack:
        server = stack.enter_context(State.open(address, accept_filesystem=accepted))
        if source is not None:
            old, new = stack.enter_context(State.open(source, accept_filesystem=accepted)), server
        else:
            assert target is not None
            old, new = server, stack.enter_context(_new_file(target, accepted))
        rows, lines = _copied(old, new, stack)
    terminal.echo(f"Copied: {rows:,} rows, {lines:,} lines of the journal. Both are the same.")
    terminal.echo(
        "Use only the copy from now on: another command with the original may contradict it.",
        err=True,
    )
