"""`init`: write a first configuration, with policies for the account's jobs if it answers."""

from __future__ import annotations

import os
import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.errors import ConfigError, JanitorError

if TYPE_CHECKING:
    from sauce_janitor.config.output.starter import StarterOptions


@click.command()
@click.option("--region", help="us-west-1, eu-central-1 or us-east-4; also us, eu, US_WEST, …")
@click.option("--base-url", help="The API's address instead of a region, such as the sandbox's.")
@click.option("--account", help="The account's name in the configuration. Default: by the region.")
@click.option(
    "--username-env",
    metavar="NAME",
    help="Environment variable with the user name.  [default: SAUCE_USERNAME]",
)
@click.option(
    "--access-key-env",
    metavar="NAME",
    help="Environment variable with the access key.  [default: SAUCE_ACCESS_KEY]",
)
@click.option(
    "--timezone",
    default="UTC",
    show_default=True,
    help="Time zone of calendar days and of displayed times.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file to write. Default: --config.",
)
@click.option(
    "--offline",
    is_flag=True,
    help="Send nothing to Sauce Labs; write examples instead of proposals.",
)
@click.pass_obj
def init(session: Session, /, output: Path | None, *, offline: bool, **options: str | None) -> None:
    """Write a commented configuration, and its schema for editors beside it. Never overwrites a
    file.

    If there are credentials and the account answers, this lists its newest jobs (only GETs, at most
    5,000 of 90 days) and proposes policies for its builds, tags and suites. Otherwise the file has
    examples. On a terminal it asks for missing options. The state and the archive are placed beside
    the configuration.
    """
    path = output or session.config_path
    _refuse_existing(path)
    if options["region"] and options["base_url"]:
        raise ConfigError("--region and --base-url: give one, and not both")
    if not options["region"] and not options["base_url"]:
        options["region"] = _ask_region()
    text, how = _make_text(path, options, offline=offline)
    _write(path, text)
    terminal.echo(f"Wrote {path}, and {_schema_path(path).name} for editors")
    terminal.echo(how)
    command = f"sauce-janitor{_config_option(path)}"
    terminal.echo(
        f"Next: {command} check, then {command} plan; both only read, and change nothing at Sauce "
        "Labs"
    )


def _refuse_existing(path: Path) -> None:
    # `exists` is False for a link to nothing, but that, too, is a file of the user's.
    if path.exists() or path.is_symlink():
        raise ConfigError(
            f"{path} exists already and was not changed: choose another file with --output"
        )


def _config_option(path: Path) -> str:
    """Return the option that a command needs to read the new file; "" if it reads it anyway."""
    # The printed commands should be ready to copy, and no longer than needed.
    usual = os.environ.get("SAUCE_JANITOR_CONFIG") or "config.yaml"
    return "" if path == Path(usual) else f" --config {shlex.quote(str(path))}"


def _ask_region() -> str:
    """Ask for the region. Without a terminal, return $SAUCE_REGION or Sauce Labs' default."""
    usual = os.environ.get("SAUCE_REGION") or "us-west-1"
    if terminal.can_ask():
        return terminal.ask("Region (us-west-1, eu-central-1, us-east-4)", default=usual)
    terminal.echo(f"no --region and no terminal to ask on: using {usual}", err=True)
    return usual


def _make_text(path: Path, options: dict[str, str | None], *, offline: bool) -> tuple[str, str]:
    """Return the file's text, and where its policies come from. Raises ConfigError."""
    from sauce_janitor.config.loader import parse
    from sauce_janitor.config.output.starter import StarterOptions, starter
    from sauce_janitor.config.source.yaml import read

    start = StarterOptions(
        account=options["account"] or _account_name(options["region"]),
        region=options["region"],
        base_url=options["base_url"],
        username_env=options["username_env"],
        access_key_env=options["access_key_env"],
        timezone=options["timezone"] or "UTC",
        schema_file=f"./{_schema_path(path).name}",
    )
    text = starter(start)
    # Wrong options, such as an unknown region or time zone, must fail before anything is sent.
    parse(read(text.encode(), str(path)))
    if offline:
        return text, "its policies are examples, because the account was not asked"
    try:
        return _propose(start, text, path)
    # Usually there are no credentials yet: a first file with examples is still useful.
    except ConfigError as error:
        why = error.problems[0].message.removeprefix("has ")
    except JanitorError as error:
        why = str(error)
    return text, f"its policies are examples, because the account could not be listed: {why}"


def _propose(start: StarterOptions, text: str, path: Path) -> tuple[str, str]:
    """Return the text with policies for the account's jobs, and where they come from.

    Raises as `account_sample.newest_jobs` does.
    """
    from sauce_janitor.config.loader import from_bytes
    from sauce_janitor.config.output.starter import proposing
    from sauce_janitor.operations.account_sample import newest_jobs

    [account] = from_bytes(text.encode(), path, environ=os.environ).accounts
    username, access_key = account.credentials()
    # The listing takes up to 30 seconds, and a person waits for it.
    if terminal.is_terminal(err=True):
        terminal.echo(f"listing the newest jobs of {username} at {account.base_url} …", err=True)
    seen = newest_jobs(account, now=int(time.time()))
    # A name in a build or tag may contain the key: such names are left out.
    proposed, count = proposing(start, seen, path, secrets=[access_key.get_secret_value()])
    if not count:
        return text, f"its policies are examples: {seen} of {seen.whose} suggest none"
    policies = "1 policy is" if count == 1 else f"{count} policies are"
    return proposed, f"{policies} proposed from {seen} of {seen.whose}"


def _schema_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.schema.json")


def _write(path: Path, text: str) -> None:
    """Write the configuration, and the schema beside it."""
    from sauce_janitor.config.output.json_schema import json_schema_text

    schema_path = _schema_path(path)
    try:
        # The configuration is written last: if it exists, so does the schema.
        if not schema_path.exists():
            _make(schema_path, json_schema_text())
        _make(path, text)
    # Another process has made it since the first check.
    except FileExistsError:
        _refuse_existing(path)
    except OSError as error:
        raise ConfigError(
            f"{error.filename or path}: cannot be written: {error.strerror or error}"
        ) from error


def _make(path: Path, text: str) -> None:
    """Write a new file, completely or not at all: the next `init` refuses an existing file.

    Raises OSError.
    """
    with path.open("x", encoding="utf-8") as file:
        try:
            file.write(text)
            file.close()
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _account_name(region: str | None) -> str:
    folded = (region or "").lower()
    for area in ("eu", "us"):
        if folded.startswith(area):
            return area
    # A base URL, such as the sandbox's, or a region that Sauce Labs may add.
    return "sauce"
