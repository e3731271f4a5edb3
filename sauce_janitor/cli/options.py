"""Options that several commands share, and how their values are parsed: accounts, jobs and times.

Every function raises UsageError for a wrong value, before the command does anything.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from sauce_janitor.errors import ConfigError

if TYPE_CHECKING:
    from sauce_janitor.config import Account, Config
    from sauce_janitor.model.job_references import JobReference
    from sauce_janitor.model.jobs import Owner

_F = TypeVar("_F", bound=Callable[..., Any])
TIMES: Final = "3d (ago), 2026-06-01, 2026-06-01T08:00:00Z or the Unix timestamp 1780300800"
"""The forms of a time, for the help of an option."""
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
# Parameter names such as `wanted` and `form` are part of an environment variable's name
# (SAUCE_JANITOR_JOBS_WANTED), so they do not change.
ACCOUNT = click.option(
    "--account",
    "wanted",
    metavar="NAME",
    help="The account; required if the configuration has several.",
)
ACCOUNTS = click.option(
    "--account", "accounts", multiple=True, metavar="NAME", help="Only this account. Repeatable."
)
ONE_ACCOUNT = click.option("--account", metavar="NAME", help="Only this account.")
OWNER = click.option("--owner", metavar="USER", help="The job's owner. Default: look it up.")
ONE_OWNER = click.option("--owner", metavar="USER", help="Only jobs of this user.")
SINCE = click.option("--since", metavar="TIME", help=f"Created at or after this time: {TIMES}.")
UNTIL = click.option(
    "--until", metavar="TIME", help="Created at or before this time; a day counts until its end."
)
IN_BUILD = click.option("--build", metavar="GLOB", help="Only jobs in builds with this name.")
NAMED = click.option("--name", metavar="GLOB", help="Only those with this name.")
LIMIT = click.option(
    "--limit",
    type=click.IntRange(0),
    metavar="N",
    default=100,
    show_default=True,
    help="Show at most N; 0 for all.",
)
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


def statuses_option(statuses: Sequence[str]) -> Callable[[_F], _F]:
    """Return the option that selects by status, of these statuses."""
    return click.option(
        "--status",
        "statuses",
        multiple=True,
        type=click.Choice(statuses),
        help="Only those with this status. Repeatable.",
    )


def policies_option(what: str) -> Callable[[_F], _F]:
    """Return the option that selects policies: only what they `what`."""
    return click.option(
        "--policy",
        "policies",
        multiple=True,
        metavar="NAME",
        help=f"Only what this policy {what}. Repeatable.",
    )


def select_account(config: Config, name: str | None) -> Account:
    """Return the account `name`, or the only one.

    Raises UsageError if there are several and no name, ConfigError for an unknown name.
    """
    names = [account.name for account in config.accounts]
    # None of several is the obvious one, and a guess could change another account's jobs.
    if name is None and len(names) > 1:
        raise click.UsageError(
            f"there are several accounts: use --account with one of {', '.join(names)}"
        )
    if name is not None and name not in names:
        raise ConfigError(
            f"there is no account {name!r} in {config.file}; there are: {', '.join(names)}"
        )
    return config.account(name or names[0])


def parse_jobs(texts: tuple[str, ...]) -> tuple[JobReference, ...]:
    """Return the reference that each text means, in order; `-` reads ids from stdin.

    On stdin a word is an id, its first digits or a URL, never a name. Raises UsageError with
    the first five texts that cannot be a job.
    """
    from sauce_janitor.model.job_references import job_reference

    references: list[JobReference] = []
    problems = []
    for word, is_typed in _words(texts):
        try:
            reference = job_reference(word)
        except ValueError as error:
            problems.append(str(error))
            continue
        # A name may have blanks, and stdin is split at blanks: there it could mean another job.
        if not is_typed and reference.id is None and reference.prefix is None:
            problems.append(
                f"not a job id (32 hexadecimal digits, or the first of them): {word!r:.80}"
            )
            continue
        references.append(reference)
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise click.UsageError("; ".join(problems[:5]) + more)
    if not references:
        raise click.UsageError("stdin has no job ids")
    return tuple(references)


def parse_job(text: str) -> JobReference:
    """Return the reference that one text means."""
    if text == "-":
        raise click.UsageError(
            "- is not accepted here: write an id, its first digits, a URL or a name"
        )
    return parse_jobs((text,))[0]


def parse_build(text: str) -> str:
    """Return the id of a build, from the id or from the build's address at Sauce Labs."""
    from sauce_janitor.model.job_references import build_reference

    try:
        return build_reference(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _words(texts: tuple[str, ...]) -> Iterator[tuple[str, bool]]:
    """Yield each text, and whether it was typed; `-` stands for the words on stdin."""
    for text in texts:
        if text == "-":
            yield from ((word, False) for word in _words_of_stdin())
        else:
            yield text, True


def warn_of_odd_globs(options: dict[str, str | tuple[str, ...] | None]) -> None:
    """Warn on stderr of globs that look like another pattern language, such as a regex.

    They are used as they stand, and may match nothing.
    """
    from sauce_janitor import terminal
    from sauce_janitor.config.grammar.lookalikes import oddity

    for option, texts in options.items():
        for text in (texts,) if isinstance(texts, str) else texts or ():
            odd = oddity(text)
            if odd is not None:
                terminal.echo(f"{option} {text!r} {odd[0]}: it is used as it stands.", err=True)


def parse_end(flag: str, text: str, timezone: str, *, now: int) -> int:
    """Return the epoch seconds of an end in the future.

    `text` is a duration from now (`7d`), a day, which ends in that time zone, a time, or a Unix
    timestamp.
    """
    from zoneinfo import ZoneInfo

    from sauce_janitor.config.moments import end_of_text
    from sauce_janitor.model.durations import due_at, parse_duration

    try:
        # A duration has letters and digits only; a time also has `-` or `:`.
        if text[:1].isdigit() and text.isalnum() and text[-1:].isalpha():
            return due_at(now, parse_duration(text), ZoneInfo(timezone))
        return end_of_text(text, timezone)
    except ValueError as error:
        raise click.UsageError(f"{flag} {error}") from error


def _words_of_stdin() -> list[str]:
    try:
        return [] if sys.stdin is None else sys.stdin.read().split()
    # Stdin may be closed, or hold bytes that are no text.
    except (OSError, ValueError) as error:
        raise click.UsageError(f"stdin cannot be read: {error}") from error


def parse_owner(text: str | None) -> Owner | None:
    """Return the user name; None for None."""
    from sauce_janitor.model.jobs import owner_name

    try:
        return None if text is None else owner_name(text)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def parse_time(
    flag: str, text: str | None, timezone: str, *, now: int, end: bool = False
) -> int | None:
    """Return the epoch seconds of a time in the past; None for None.

    `text` is a duration before now (`3d`), a day in that time zone, a time, or a Unix timestamp. A
    day means its first second, or with `end` its last one.
    """
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from sauce_janitor.config.moments import end_of_text, unix_time
    from sauce_janitor.model.durations import parse_duration

    if text is None:
        return None
    try:
        found = unix_time(text)
    except ValueError as error:
        raise click.UsageError(f"{flag} {error}") from error
    if found is not None:
        return found
    # A day and a time are tried first; `3d` is neither.
    try:
        if end and _DAY.fullmatch(text):
            return end_of_text(text, timezone) - 1
        time = datetime.fromisoformat(text)
        return int((time if time.tzinfo else time.replace(tzinfo=ZoneInfo(timezone))).timestamp())
    except ValueError:
        pass
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise click.UsageError(
            f"{flag} {text!r:.60} is not a time: write 3d, 2026-06-01, 2026-06-01T00:00:00Z or "
            "1780272000"
        ) from error
    # Months before now have no fixed length.
    if duration.months:
        raise click.UsageError(f"{flag} {text}: write days, or a date")
    return now - duration.seconds
