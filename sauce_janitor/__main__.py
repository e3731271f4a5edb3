"""The program's entry: runs a command and turns what it raises into one sentence and an exit
code.
"""

from __future__ import annotations

import ctypes
import resource
import sys
import traceback
from contextlib import suppress
from typing import IO, cast

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import cli
from sauce_janitor.errors import ConfigError, JanitorError

_PR_SET_DUMPABLE = 4
"""Source: prctl(2), linux/prctl.h."""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; ends the process with the documented exit code. A traceback is a bug of
    ours (exit 1).
    """
    _forbid_core_dumps()
    with terminal.guarded():
        code = _run(arguments)
    sys.exit(code)


def _forbid_core_dumps() -> None:
    """Leave no copy of the memory, with the access keys in it, on a disk when the process crashes.

    The limit holds for the commands that print secrets, too. On Linux the process is also marked as
    not dumpable: a core pattern that is a pipe ignores the limit, and other processes of the same
    user cannot attach to it.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # a C library without prctl: the limit stands
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


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
    except Exception as wrong:  # noqa: BLE001 - told here, while what it may quote is still made printable
        return _tell(wrong)
    return code if isinstance(code, int) else 0


def _tell(wrong: Exception) -> int:
    """Say what nobody could say better, and return the exit code: damage of the state, the system's
    refusal, or a bug.
    """
    # Imported only where a command has opened a state: else there is none to blame.
    state = sys.modules.get("sauce_janitor.state")
    if state is not None and (damage := state.blame(wrong)) is not None:
        terminal.echo(f"sauce-janitor: {damage}", err=True)
        return JanitorError.exit_code
    if isinstance(wrong, OSError):
        named = f"{wrong.filename}: " if wrong.filename else ""
        terminal.echo(f"sauce-janitor: {named}{wrong.strerror or wrong}", err=True)
        return JanitorError.exit_code
    traceback.print_exc()
    return 1


if __name__ == "__main__":
    main()
