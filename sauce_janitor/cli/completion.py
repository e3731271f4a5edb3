"""The commands `version` and `completion`."""

from __future__ import annotations

import click

from sauce_janitor import __version__, terminal


@click.command()
def version() -> None:
    """Print the version."""
    terminal.echo(f"sauce-janitor {__version__}")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for a shell.

    \b
    bash: eval "$(sauce-janitor completion bash)"
    """
    from click.shell_completion import get_completion_class

    from sauce_janitor.cli.app import cli

    kind = get_completion_class(shell)
    assert kind is not None
    terminal.echo(kind(cli, {}, "sauce-janitor", "_SAUCE_JANITOR_COMPLETE").source())
