"""The overview of `--help`: the commands by task, each on one line of at most 80 columns.

This module imports no command, so that help is fast.
"""

from __future__ import annotations

from itertools import chain
from typing import Final

import click

TASKS: Final = {
    "Start": {
        "demo": "Plan, apply and verify on the sandbox, without an account",
        "init": "Write a configuration to start from",
        "check": "Validate the configuration and run its tests",
        "diff": "Show what an edit of the policies changes",
        "simulate": "Forecast what the policies will do, day by day",
    },
    "Clean up": {
        "plan": "Show what would be archived, deleted and stopped, and why",
        "apply": "Carry out a reviewed plan",
        "approve": "Lift the limits of a refused plan for a while",
        "run": "Run once: list, plan and, with --execute, carry out",
        "serve": "Run by schedule, with metrics and a status page",
        "offboard": "Delete all jobs of a user who has left",
    },
    "Protect": {
        "pause": "Stop every change at once",
        "resume": "Lift the pause",
        "hold": "Hold jobs, so that they are archived and not deleted",
    },
    "Understand": {
        "status": "Show the last runs, what is due and what failed",
        "explain": "Explain why a job stays or is deleted, by which rule, and when",
        "prove": "Prove that deleted jobs were archived first",
        "archive": "List, show, verify, export and prune what is archived",
    },
    "Work with jobs at Sauce Labs": {
        "jobs": "List jobs",
        "job": "Show one job",
        "builds": "List builds, or the jobs of one",
        "build": "Show one build, or the build of a job",
        "assets": "List, download or delete the files of a job",
        "insights": "Show tests, metrics, trends, builds and errors",
        "tag": "Change tags, name, build and other fields of jobs",
        "stop": "Stop running and queued jobs",
    },
    "Tools": {
        "account": "List the accounts that the state knows, or rename one",
        "user": "Say who may sign in to the pages, and with which role",
        "state": "Create, migrate, verify or copy the state",
        "config": "Show the effective configuration",
        "schema": "Print the configuration's JSON Schema or reference",
        "sandbox": "Run a Sauce Labs look-alike on this machine",
        "completion": "Print the completion script for a shell",
        "version": "Print the version",
    },
}
"""Task, command, and what the command does in at most 64 characters."""


def write_tasks(formatter: click.HelpFormatter) -> None:
    """Write the commands by task."""
    longest = max(map(len, chain.from_iterable(TASKS.values())))
    for task, commands in TASKS.items():
        with formatter.section(task):
            # All sections are aligned alike, not each by its own longest name.
            formatter.write_dl([(name.ljust(longest), text) for name, text in commands.items()])


def uncut(group: click.Group) -> None:
    """Show the whole first sentence of each command below `group`.

    Otherwise click cuts the sentence at the end of the line.
    """
    for command in group.commands.values():
        # A short help that somebody wrote stays as it is.
        if not command.short_help and command.help:
            paragraph = " ".join(command.help.split("\n\n")[0].split())
            command.short_help = paragraph.split(". ")[0].rstrip(".") + "."
        if isinstance(command, click.Group):
            uncut(command)
