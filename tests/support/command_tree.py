"""The commands of the program, and what the tests know of each: a new command is added here once.

`CHANGING` and `READING` sort them by what they may do; `calls` says how each is called.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from sauce_janitor.cli.app import cli
from sauce_janitor.model.jobs import JobId

CHANGING = {
    "account rename",
    "apply",
    "approve",
    "archive adopt",
    "archive prune",
    "hold add",
    "hold list",
    "hold release",
    "offboard",
    "pause",
    "resume",
    "run",
    "serve",
    "state copy",
    "state init",
    "state migrate",
    "stop",
    "tag",
    "user add",
    "user passwd",
    "user remove",
    "user role",
    "user sign-out",
}
"""Commands that change something: the environment sets no option of them that acts."""
READING = {
    "account list",
    "archive copy",
    "archive export",
    "archive list",
    "archive open",
    "archive reindex",
    "archive show",
    "archive verify",
    "assets",
    "build",
    "builds",
    "check",
    "completion",
    "config show",
    "demo",
    "diff",
    "explain",
    "init",
    "insights builds",
    "insights errors",
    "insights metrics",
    "insights tests",
    "insights trends",
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
}
"""Commands that only look, or write files of their own. `assets --delete` is guarded by name."""
SERVES = {"archive open", "demo", "sandbox", "serve"}
"""They run until a signal; what they print is the log, through the same sink."""


def commands(group: click.Group = cli, before: str = "") -> Iterator[tuple[str, click.Command]]:
    """Yield each command that does something, with its whole name."""
    context = click.Context(group)
    for name in sorted(group.commands) or group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group):
            yield from commands(found, f"{before}{name} ")
        else:
            yield f"{before}{name}", found


def formats(command: click.Command) -> list[str]:
    """Return the formats that a command offers."""
    for option in command.params:
        if "--format" in option.opts and isinstance(option.type, click.Choice):
            return list(option.type.choices)
    return []


def own_options(command: click.Command) -> Iterator[list[str]]:
    """Yield the spellings of each option of this command alone."""
    for option in command.params:
        if isinstance(option, click.Option):
            yield [*option.opts, *option.secondary_opts]


def options(command: click.Command, name: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield each option of a command and of those below it: the command's name, its spellings."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            under = command.get_command(context, each)
            assert under is not None
            yield from options(under, f"{name} {each}".strip())
    yield from ((name, spelt) for spelt in own_options(command))


def calls(job: JobId, folder: Path, text: str) -> dict[str, list[tuple[str, ...]]]:
    """Return how each command is called, in an order in which each finds something to show.

    `text` stands wherever a person may write one.
    """
    plan = str(folder / "plan.json")
    return {
        "check": [("--mutants",)],
        "validate": [()],
        "schema": [()],
        "config show": [()],
        "completion": [("bash",)],
        "version": [()],
        "init": [("--region", "us-west-1", "--offline", "--output", "made.yaml")],
        "jobs": [("--limit", "0")],
        "job": [(job,)],
        "builds": [("--limit", "0")],
        "build": [("--job", job)],
        "assets": [
            (job,),
            (job, "--get", text),
            (job, "--get", f"{text}.log"),
            (job, "--download", "files"),
            (job, "--delete", "--dry-run"),
        ],
        "insights tests": [("--time-range", "28d")],
        "insights metrics": [(text, "--time-range", "28d")],
        "insights trends": [("--time-range", "28d", "--interval", "1d")],
        "insights builds": [("--time-range", "28d")],
        "insights errors": [("--time-range", "28d")],
        "plan": [("--all",), ("--out", plan)],
        "simulate": [("--for", "3d")],
        "diff": [(str(folder / "config.yaml"), str(folder / "config.yaml"))],
        "explain": [(job,)],
        "hold add": [(job, "--reason", text, "--by", text)],
        "hold list": [()],
        "hold release": [(job, "--yes")],
        "approve": [("policy-0000", "--reason", text)],
        "pause": [("--reason", text)],
        "status": [()],
        "resume": [("--yes",)],
        "tag": [(job, "--add", "fresh", "--yes")],
        "stop": [(job, "--yes")],
        "run": [(), ("--execute",)],
        "apply": [(plan,)],
        "archive list": [()],
        "archive show": [(job,)],
        "archive export": [(job, "--output", "taken")],
        "archive copy": [("archive", "copied")],
        "archive verify": [()],
        "archive reindex": [()],
        "archive prune": [()],
        "archive adopt": [("--yes",)],
        "prove": [(), (job,)],
        "account list": [()],
        "state init": [()],
        "state migrate": [()],
        "state verify": [()],
        "state copy": [("--from", f"{text}.db")],
        "account rename": [("box", "renamed")],
        "user list": [()],
        "user add": [(text, "--role", "viewer", "--password-file", "-")],
        "user passwd": [(text, "--password-file", "-")],
        "user role": [(text, "operator")],
        "user remove": [(text,)],
        "user sign-out": [(text,)],
        "offboard": [("demo", "--archive", "keep", "--yes")],
    }
