"""Which options the environment may set: those that look, narrow or show, never those that make
something happen.

A variable is invisible where a command is typed, and outlives it: what changes anything, or lifts a
brake, is said there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

_LOOKING = frozenset(
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
        "status",
        "version",
        "archive list",
        "archive show",
        "archive export",
        "archive open",
        "archive verify",
        "archive reindex",
    }
)
"""The commands that change nothing at Sauce Labs and remove nothing. Any other command takes only
`_NARROWING`.
"""

_NARROWING = frozenset(
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
"""What a command that acts may be told by the environment: less to do, or how to show it."""

_ACTING = {"assets": frozenset({"delete", "yes"})}
"""What makes a command act that else only looks."""

_LIFTING = frozenset({"accept_loss", "force"})
"""What lifts a brake in a command that only looks."""


def may_be_set(command: str, option: str) -> bool:
    """Whether the environment may set this option (its Python name) of this command (`archive
    prune`).
    """
    names = command.split()
    looks = any(" ".join(names[:length]) in _LOOKING for length in range(1, len(names) + 1))
    if looks:
        return option not in _LIFTING | _ACTING.get(command, frozenset())
    return option in _NARROWING


def restrict(command: click.Command, name: str) -> None:
    """Take from the environment what it may not set, in this command and all below it."""
    for option, path, _ in _options(command, name, ""):
        option.allow_from_autoenv = may_be_set(path, option.name or "")


def ignored(command: click.Command, name: str, prefix: str) -> Iterator[str]:
    """A sentence for each variable that is set and may not be; `prefix` begins the variables of the
    command line.
    """
    for option, _, variable in _options(command, name, f"{prefix}_{_variable(name)}"):
        if not option.allow_from_autoenv and os.environ.get(variable):
            yield (
                f"{variable} is ignored: what makes something happen is never taken from the "
                f"environment; say {option.opts[-1]}"
            )


def _options(
    command: click.Command, path: str, prefix: str
) -> Iterator[tuple[click.Option, str, str]]:
    for parameter in command.params:
        # not the global options, which have variables of their own
        if isinstance(parameter, click.Option) and parameter.name and parameter.expose_value:
            yield parameter, path, f"{prefix}_{parameter.name.upper()}"
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from _options(below, f"{path} {name}", f"{prefix}_{_variable(name)}")


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
