"""The program's entry: runs a command and turns what it raises into one sentence and an exit code."""

from __future__ import annotations

import sys

import click

from sauce_janitor.cli.app import cli
from sauce_janitor.errors import ConfigError, JanitorError


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; ends the process with the documented exit code. A traceback is a bug of ours (exit 1)."""
    try:
        code = cli.main(args=arguments, prog_name="sauce-janitor", standalone_mode=False)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.Abort:
        click.echo("sauce-janitor: interrupted", err=True)
        sys.exit(130)
    except click.ClickException as wrong:
        wrong.show()
        sys.exit(2)
    except ConfigError as wrong:
        for problem in wrong.problems:
            click.echo(str(problem), err=True)
        sys.exit(wrong.exit_code)
    except JanitorError as wrong:
        click.echo(f"sauce-janitor: {wrong}", err=True)
        sys.exit(wrong.exit_code)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
