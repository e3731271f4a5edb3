"""The program's entry: runs a command and turns what it raises into one sentence and an exit code."""

from __future__ import annotations

import sys
import traceback
from typing import IO, cast

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import cli
from sauce_janitor.errors import ConfigError, JanitorError


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; ends the process with the documented exit code. A traceback is a bug of ours (exit 1)."""
    with terminal.guarded():
        code = _run(arguments)
    sys.exit(code)


def _run(arguments: list[str] | None) -> int:
    try:
        code = cli.main(args=arguments, prog_name="sauce-janitor", standalone_mode=False)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.Abort:
        terminal.echo("sauce-janitor: interrupted", err=True)
        return 130
    except click.ClickException as wrong:
        wrong.show(file=cast("IO[str]", terminal.stream(err=True)))
        return 2
    except ConfigError as wrong:
        for problem in wrong.problems:
            terminal.echo(str(problem), err=True)
        return wrong.exit_code
    except JanitorError as wrong:
        terminal.echo(f"sauce-janitor: {wrong}", err=True)
        return wrong.exit_code
    except Exception:  # noqa: BLE001 - printed here, while what it may quote is still made printable
        traceback.print_exc()
        return 1
    return code if isinstance(code, int) else 0


if __name__ == "__main__":
    main()
