"""The archive as commands open it to look for jobs: its catalogue beside entries that are up with
it.
"""

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
from sauce_janitor.cli.options import told_of_globs
from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.archive import Catalogue
    from sauce_janitor.config import Config
    from sauce_janitor.model.archive_entries import ArchiveQuery
    from sauce_janitor.model.jobs import Owner
    from sauce_janitor.state import State

STATUSES = ("passed", "failed", "error", "complete")

_EVERY_S = 15.0
_MEAN_MONTH_S = 2_629_746
"""A mean month is exact enough for a search."""


class ArchiveView:
    """An archive open for reading, and the entries to find jobs by."""

    def __init__(self, config: Config, catalogue: Catalogue, state: State) -> None:
        self.config, self.catalogue, self.entries, self._state = (
            config,
            catalogue,
            state.archived,
            state,
        )
        self.lookups = state.lookups
        self._kept_up_at, self._lock = time.monotonic(), threading.Lock()

    def keep_up(self) -> None:
        """Learn what was archived or pruned meanwhile, if the last look is some time ago. Any
        thread may ask.
        """
        from sauce_janitor.operations.wiring.archive_index import keep_up

        if time.monotonic() - self._kept_up_at < _EVERY_S or not self._lock.acquire(blocking=False):
            return
        try:
            keep_up(self._state, self.catalogue)
            self._kept_up_at = time.monotonic()
        finally:
            self._lock.release()


@contextmanager
def open_shelf(session: Session) -> Iterator[ArchiveView]:
    """Open it, and bring the entries up to date: in the state, or aside for as long as it is open.

    Aside is where there is no state yet, or none that can be written here.

    Raises ConfigError, StateError, ArchiveUnusableError.
    """
    from sauce_janitor.archive import Catalogue
    from sauce_janitor.cli.known_jobs import look
    from sauce_janitor.cli.progress import ProgressDisplay
    from sauce_janitor.operations.wiring.archive_index import keep_up

    config = session.load()
    with ExitStack() as stack:
        path = config.state
        if not path.exists():
            aside = stack.enter_context(tempfile.TemporaryDirectory(prefix="sauce-janitor-"))
            path = Path(aside) / "state.db"
        state = stack.enter_context(look(config, path, scratch=True))
        known = state.identity.archive_uuid(str(config.archive.path))
        catalogue = stack.enter_context(Catalogue.open(config.archive.path, known_uuid=known))
        with ProgressDisplay(color=session.color, moving=terminal.is_terminal(err=True)) as shown:
            shown.phase("archive", "look")
            indexed = keep_up(state, catalogue, step=shown.step)
        if indexed.unreadable:
            terminal.echo(
                f"{len(indexed.unreadable):,} jobs cannot be read, the first: "
                f"{indexed.unreadable[0]}: see archive verify",
                err=True,
            )
        yield ArchiveView(config, catalogue, state)


def filters(command: Any) -> Any:
    """The options by which jobs are found."""
    options = (
        click.option("--account", metavar="NAME", help="Only this account."),
        click.option("--owner", metavar="USER", help="Only jobs of this user."),
        click.option("--build", metavar="GLOB", help="Only jobs in builds with this name."),
        click.option("--name", metavar="GLOB", help="Only jobs with this name."),
        click.option(
            "--status",
            multiple=True,
            type=click.Choice(STATUSES),
            help="Only jobs with this status. Repeatable.",
        ),
        click.option(
            "--since",
            metavar="WHEN",
            help="Ended at or after this time: 7d (ago), 2026-06-01 or a Unix timestamp.",
        ),
        click.option(
            "--until",
            metavar="WHEN",
            help="Ended before this time; a day counts until its end.",
        ),
        click.option("--text", help="Only jobs with this text in name or error, ignoring case."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def query_of(zone: str, given: dict[str, Any], *, limit: int | None = None) -> ArchiveQuery:
    """What these options ask for. ConfigError for what is no user's name, UsageError for what is no
    time.
    """
    from sauce_janitor.model.archive_entries import ArchiveQuery

    told_of_globs({"--build": given["build"], "--name": given["name"]})
    return ArchiveQuery(
        account=given["account"],
        owner=owner_of(given["owner"]),
        build=given["build"],
        name=given["name"],
        status=tuple(given["status"]),
        text=given["text"] or None,
        since=_moment("--since", given["since"], zone, end=False),
        until=_moment("--until", given["until"], zone, end=True),
        limit=limit,
    )


def _moment(option: str, text: str | None, zone: str, *, end: bool) -> int | None:
    from sauce_janitor.config.moments import end_of_text, unix_time
    from sauce_janitor.model.durations import parse_duration

    if text is None:
        return None
    now = int(datetime.now(UTC).timestamp())
    try:
        found = unix_time(text)
        if found is not None:
            return found
        if text[-1:].isalpha() and text[:1].isdigit() and "T" not in text:
            duration = parse_duration(text)
            return now - duration.seconds - duration.months * _MEAN_MONTH_S
        if end or "T" in text:
            return end_of_text(text, zone)
        return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())
    except ValueError as wrong:
        raise click.UsageError(
            f"{option} {text!r:.60} is no time: write 2026-01-31, 2026-01-31T18:00:00Z, 1769882400 "
            "or 7d"
        ) from wrong


def owner_of(text: str | None) -> Owner | None:
    """The user name that somebody typed. ConfigError."""
    from sauce_janitor.model.jobs import owner_name

    try:
        return None if text is None else owner_name(text)
    except ValueError as wrong:
        raise ConfigError(str(wrong)) from wrong
