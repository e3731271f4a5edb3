"""Which options an environment variable may set: those that read, narrow or format.

A variable is invisible where a command is typed, and outlives it. An option that changes something,
or lifts a limit, must therefore be typed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

_READING_COMMANDS = frozenset(
    {
        "account list",
        "assets",
        "build",
        "builds",
        "check",
        "validate",
        "completion",
        "config",
        "demo",
        "diff",
        "explain",
        "init",
        "insights",
        "job",
        "jobs",
        "plan",
        "prove",
        "sandbox",
        "schema",
        "simulate",
        "state verify",
        "status",
        "user list",
        "version",
        "archive list",
        "archive show",
        "archive copy",
        "archive export",
        "archive open",
        "archive verify",
        "archive reindex",
    }
)
"""Commands that change nothing at Sauce Labs and remove nothing.

The environment may set all of their options; of any other command, only `_NARROWING_OPTIONS`.
"""

_NARROWING_OPTIONS = frozenset(
    {
        "dry_run",
        "accounts",
        "account",
        "wanted",
        "policies",
        "owner",
        "form",
        "detailed_exitcode",
        "as_of",
        "offline",
        "everything",
        "out",
    }
)
"""Options that make a command do less, or that choose the format of its output."""

_CHANGING_OPTIONS = {"assets": frozenset({"delete", "yes"})}
"""Options with which a command of `_READING_COMMANDS` changes something."""

_LIMIT_OPTIONS = frozenset({"accept_loss", "force"})
"""Options of reading commands that lift a limit or overwrite a file."""


def may_be_set(command: str, option: str) -> bool:
    """Return whether the environment may set an option of a command.

    `option` is the option's Python name, `command` the whole name, such as `archive prune`.
    """
    names = command.split()
    # A group stands for its commands: `insights` for `insights tests` and all others.
    reads = any(
        " ".join(names[:length]) in _READING_COMMANDS for length in range(1, len(names) + 1)
    )
    if reads:
        return option not in _LIMIT_OPTIONS | _CHANGING_OPTIONS.get(command, frozenset())
    # This is also the rule for a new command, until it is listed above.
    return option in _NARROWING_OPTIONS


def restrict(command: click.Command, name: str) -> None:
    """Stop the environment from setting other options, in this command and all below it."""
    for option, path, _ in _options(command, name, ""):
        option.allow_from_autoenv = may_be_set(path, option.name or "")


def ignored(command: click.Command, name: str, prefix: str) -> Iterator[str]:
    """Yield a sentence for each variable that is set but ignored.

    `prefix` is the first part of every variable: `SAUCE_JANITOR`.
    """
    for option, _, variable in _options(command, name, f"{prefix}_{_variable(name)}"):
        if not option.allow_from_autoenv and os.environ.get(variable):
            yield (
                f"{variable} is ignored: the environment cannot set an option that changes "
                f"something; use {option.opts[-1]}"
            )


def _options(
    command: click.Command, path: str, prefix: str
) -> Iterator[tuple[click.Option, str, str]]:
    """Yield each option with its command's whole name and its variable."""
    for parameter in command.params:
        # The hidden copies of the global options are left out: the root has their variables.
        if isinstance(parameter, click.Option) and parameter.name and parameter.expose_value:
            yield parameter, path, f"{prefix}_{parameter.name.upper()}"
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _options(below, f"{path} {name}", f"{prefix}_{_variable(name)}")


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
