"""The archive open for reading: its catalogue, and an index of its jobs that is up to date."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import IN_BUILD, ONE_ACCOUNT, ONE_OWNER, warn_of_odd_globs
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.archive import Catalogue
    from sauce_janitor.config import Config
    from sauce_janitor.model.archive.entries import ArchiveQuery
    from sauce_janitor.model.jobs import Owner
    from sauce_janitor.state import State

STATUSES = ("passed", "failed", "error", "complete")

_EVERY_S = 15.0
_MEAN_MONTH_S = 2_629_746
"""A mean month is exact enough for a search."""


class ArchiveView:
    """An archive open for reading, and the index entries of its jobs."""

    def __init__(self, config: Config, catalogue: Catalogue, state: State) -> None:
        self.config, self.catalogue, self._state = config, catalogue, state
        self.entries, self.lookups = state.archived, state.lookups
        self._kept_up_at, self._lock = time.monotonic(), threading.Lock()

    def keep_up(self) -> bool:
        """Bring the entries up to date, at most every 15 seconds, and return whether another thread
        is at it. Any thread may call it.
        """
        from sauce_janitor.operations.wiring.archive_index import keep_up

        # A reader who turns pages must not wait for the archive each time.
        if time.monotonic() - self._kept_up_at < _EVERY_S:
            return False
        # Another thread is at it: the page does not wait, and shows what is known.
        if not self._lock.acquire(blocking=False):
            return True
        try:
            keep_up(self._state, self.catalogue)
            self._kept_up_at = time.monotonic()
        finally:
            self._lock.release()
        return False


@contextmanager
def open_archive_view(session: Session) -> Iterator[ArchiveView]:
    """Open the archive, and bring the index of its jobs up to date.

    The index is in the state. Without a state, or with a read-only one, it is in a temporary file.
    Raises ConfigError, StateError, ArchiveUnusableError.
    """
    from sauce_janitor.archive import Catalogue
    from sauce_janitor.cli.known_jobs import open_to_read
    from sauce_janitor.cli.progress import ProgressDisplay
    from sauce_janitor.operations.wiring.archive_index import keep_up
    from sauce_janitor.report import counted

    config = session.load()
    with ExitStack() as stack:
        path = config.state
        if not path.exists():
            aside = stack.enter_context(tempfile.TemporaryDirectory(prefix="sauce-janitor-"))
            path = Path(aside) / "state.db"
        state = stack.enter_context(open_to_read(config, path, scratch=True))
        known = state.identity.archive_uuid(str(config.archive.location))
        catalogue = stack.enter_context(Catalogue.open(config.archive.location, known_uuid=known))
        with ProgressDisplay(
            color=session.color, moving=terminal.is_terminal(err=True)
        ) as progress:
            progress.phase("archive", "look")
            indexed = keep_up(state, catalogue, step=progress.step)
        # The other jobs are shown nevertheless.
        if indexed.unreadable:
            terminal.echo(
                f"{counted(len(indexed.unreadable), 'job')} cannot be read, the first: "
                f"{indexed.unreadable[0]}: run `sauce-janitor archive verify`",
                err=True,
            )
        yield ArchiveView(config, catalogue, state)


def filters(command: Any) -> Any:
    """Add the options that select jobs to a command."""
    options = (
        ONE_ACCOUNT,
        ONE_OWNER,
        IN_BUILD,
        click.option("--name", metavar="GLOB", help="Only jobs with this name."),
        click.option(
            "--status",
            multiple=True,
            type=click.Choice(STATUSES),
            help="Only jobs with this status. Repeatable.",
        ),
        click.option(
            "--since",
            metavar="TIME",
            help="Ended at or after this time: 7d (ago), 2026-06-01 or a Unix timestamp.",
        ),
        click.option(
            "--until",
            metavar="TIME",
            help="Ended before this time; a day counts until its end.",
        ),
        click.option("--text", help="Only jobs with this text in name or error, ignoring case."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def query_of(zone: str, options: dict[str, Any], *, limit: int | None = None) -> ArchiveQuery:
    """Return the query for these options. Raises ConfigError or UsageError."""
    from sauce_janitor.model.archive.entries import ArchiveQuery

    warn_of_odd_globs({"--build": options["build"], "--name": options["name"]})
    return ArchiveQuery(
        account=options["account"],
        owner=read_owner(options["owner"]),
        build=options["build"],
        name=options["name"],
        status=tuple(options["status"]),
        text=options["text"] or None,
        since=_read_time("--since", options["since"], zone, end=False),
        until=_read_time("--until", options["until"], zone, end=True),
        limit=limit,
    )


def _read_time(option: str, text: str | None, zone: str, *, end: bool) -> int | None:
    from sauce_janitor.config.moments import end_of_text, unix_time
    from sauce_janitor.model.durations import parse_duration

    if text is None:
        return None
    now = int(datetime.now(UTC).timestamp())
    try:
        found = unix_time(text)
        if found is not None:
            return found
        # `7d`: letters at the end, and no T, which a time has.
        if text[-1:].isalpha() and text[:1].isdigit() and "T" not in text:
            duration = parse_duration(text)
            return now - duration.seconds - duration.months * _MEAN_MONTH_S
        if end or "T" in text:
            return end_of_text(text, zone)
        return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())
    except ValueError as error:
        raise click.UsageError(
            f"{option} {text!r:.60} is not a time: write 2026-01-31, 2026-01-31T18:00:00Z, "
            "1769882400 or 7d"
        ) from error


def read_owner(text: str | None) -> Owner | None:
    """Return the user name of an option; None for None. Raises ConfigError."""
    from sauce_janitor.model.jobs import owner_name

    try:
        return None if text is None else owner_name(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error
