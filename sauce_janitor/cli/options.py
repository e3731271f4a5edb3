"""What people give to commands: an account, job ids, times. Each checked before anything else
happens.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import click

from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config
    from sauce_janitor.model.job_references import JobReference
    from sauce_janitor.model.jobs import Owner

TIMES: Final = "3d (ago), 2026-06-01, 2026-06-01T08:00:00Z or the Unix timestamp 1780300800"
"""What a time may be, for the help of an option."""
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
ACCOUNT = click.option(
    "--account",
    "wanted",
    metavar="NAME",
    help="The account; required if the configuration has several.",
)
OWNER = click.option("--owner", metavar="USER", help="The job's owner. Default: look it up.")
JOBS = click.argument("jobs", metavar="JOB…", nargs=-1, required=True)
JOB = click.argument("job_id", metavar="JOB")
FORMAT = click.option(
    "--format", "form", type=click.Choice(["table", "json"]), default="table", show_default=True
)
ROWS = click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
)


def one_account(config: Config, wanted: str | None) -> Account:
    """The account of that name, or the only one. UsageError where it has to be said, ConfigError
    for an unknown one.
    """
    names = [account.name for account in config.accounts]
    if wanted is None and len(names) > 1:
        raise click.UsageError(
            f"there are several accounts: say --account with one of {', '.join(names)}"
        )
    if wanted is not None and wanted not in names:
        raise ConfigError(
            f"there is no account {wanted!r} in {config.file}; there are: {', '.join(names)}"
        )
    return config.account(wanted or names[0])


def job_references(given: tuple[str, ...]) -> tuple[JobReference, ...]:
    """What each text stands for, in their order; `-` stands for ids, beginnings of ids and
    addresses on stdin.

    UsageError names what can be no job. Names are taken from the command line alone: on stdin each
    word stands for itself.
    """
    from sauce_janitor.model.job_references import job_reference

    references: list[JobReference] = []
    wrong = []
    for word, is_typed in _words(given):
        try:
            reference = job_reference(word)
        except ValueError as error:
            wrong.append(str(error))
            continue
        if not is_typed and reference.id is None and reference.prefix is None:
            wrong.append(
                f"not a job id (32 hexadecimal digits, or the first of them): {word!r:.80}"
            )
            continue
        references.append(reference)
    if wrong:
        raise click.UsageError(
            "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        )
    if not references:
        raise click.UsageError("stdin has no job ids")
    return tuple(references)


def job_reference_of(text: str) -> JobReference:
    """What one text stands for. UsageError for what can be no job."""
    if text == "-":
        raise click.UsageError(
            "- is no job here: write an id, its first digits, an address or a name"
        )
    return job_references((text,))[0]


def build_id(text: str) -> str:
    """The id of a build, also from its address at Sauce Labs. UsageError for another address."""
    from sauce_janitor.model.job_references import build_reference

    try:
        return build_reference(text)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from wrong


def _words(given: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Yield each text, and whether it was typed; `-` stands for the words on stdin."""
    for text in given:
        if text == "-":
            yield from ((word, False) for word in _words_of_stdin())
        else:
            yield text, True


def told_of_globs(options: dict[str, str | tuple[str, ...] | None]) -> None:
    """Say on stderr which globs look like another language's pattern: they are taken as they stand,
    and may match nothing.
    """
    from sauce_janitor import terminal
    from sauce_janitor.config.grammar.lookalikes import oddity

    for option, texts in options.items():
        for text in (texts,) if isinstance(texts, str) else texts or ():
            odd = oddity(text)
            if odd is not None:
                terminal.echo(f"{option} {text!r} {odd[0]}: it is taken as it stands.", err=True)


def ending(flag: str, text: str, timezone: str, *, now: int) -> int:
    """Return epoch seconds of `7d` (so long from now), the end of a day in that zone, a moment or a
    Unix timestamp.

    UsageError for anything else.
    """
    from zoneinfo import ZoneInfo

    from sauce_janitor.config.moments import end_of_text
    from sauce_janitor.model.durations import due_at, parse_duration

    try:
        # A duration has letters and digits only; a time also has `-` or `:`.
        if text[:1].isdigit() and text.isalnum() and text[-1:].isalpha():
            return due_at(now, parse_duration(text), ZoneInfo(timezone))
        return end_of_text(text, timezone)
    except ValueError as wrong:
        raise click.UsageError(f"{flag} {wrong}") from wrong


def _words_of_stdin() -> list[str]:
    try:
        return [] if sys.stdin is None else sys.stdin.read().split()
    # Stdin may be closed, or hold bytes that are no text.
    except (OSError, ValueError) as wrong:
        raise click.UsageError(f"stdin cannot be read: {wrong}") from wrong


def owner(text: str | None) -> Owner | None:
    """The user name, if one is given. UsageError for what can be none."""
    from sauce_janitor.model.jobs import owner_name

    try:
        return None if text is None else owner_name(text)
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from wrong


def moment(
    flag: str, text: str | None, timezone: str, *, now: int, end: bool = False
) -> int | None:
    """Return epoch seconds of `3d` (so long ago), a day in that zone, a moment or a Unix timestamp;
    None for None.

    A day is its first second, with `end` its last one. UsageError for anything else.
    """
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sauce_janitor.config.moments import end_of_text, unix_time
    from sauce_janitor.model.durations import parse_duration

    if text is None:
        return None
    try:
        found = unix_time(text)
    except ValueError as wrong:
        raise click.UsageError(f"{flag} {wrong}") from wrong
    if found is not None:
        return found
    try:
        if end and _DAY.fullmatch(text):
            return end_of_text(text, timezone) - 1
        time = datetime.fromisoformat(text)
        return int((time if time.tzinfo else time.replace(tzinfo=ZoneInfo(timezone))).timestamp())
    except ValueError:
        pass
    try:
        duration = parse_duration(text)
    except ValueError as wrong:
        raise click.UsageError(
            f"{flag} {text!r:.60} is no time: write 3d, 2026-06-01, 2026-06-01T00:00:00Z or "
            "1780272000"
        ) from wrong
    if duration.months:
        raise click.UsageError(f"{flag} {text}: write days, or a date")
    return now - duration.seconds
