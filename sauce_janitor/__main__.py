"""The program's entry point: it runs a command and turns an error into one sentence and an exit
code.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import resource
import sys
import traceback
from contextlib import suppress
from typing import IO, cast

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import cli
from sauce_janitor.errors import ConfigError, JanitorError

_PR_SET_DUMPABLE = 4  # Source: prctl(2), linux/prctl.h.
_GARBAGE_OBJECTS = 200_000
"""How many new objects Python makes before it looks for cycles of unused ones: 700 to 2,000 by
default, so 200 times while a command loads its libraries, whose 120,000 objects stay. Commands that
may run for hours look more often.
"""


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and end the process with the documented exit code.

    A traceback means a bug in this program (exit code 1).
    """
    _forbid_core_dumps()
    _look_for_garbage_less_often()
    with terminal.guarded():
        code = _run(arguments)
    sys.exit(code)


def _forbid_core_dumps() -> None:
    """Prevent a crash from writing the memory, which has the access keys in it, to a disk.

    Child processes, such as the commands that print secrets, inherit the limit. On Linux the
    process is also marked as not dumpable: a core pattern that is a pipe ignores the limit. Then
    other processes of the same user cannot attach to it either.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        # A C library may lack prctl: then the resource limit alone must do.
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _look_for_garbage_less_often() -> None:
    """Save the time that Python spends on cycles of unused objects: a quarter of a short command's.

    At its end Python would look through all objects once more, though the memory is freed anyway.
    """
    gc.set_threshold(_GARBAGE_OBJECTS)
    # Frozen objects are not looked at. Files and databases are closed by whoever opened them.
    atexit.register(gc.freeze)


def _run(arguments: list[str] | None) -> int:
    """Run the command and return its exit code."""
    try:
        # Outside of standalone mode click raises its errors instead of printing them itself, past
        # `terminal`.
        code = cli.main(args=arguments, prog_name="sauce-janitor", standalone_mode=False)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        terminal.echo("sauce-janitor: interrupted", err=True)
        return 130
    except click.ClickException as error:
        error.show(file=cast("IO[str]", terminal.stream(err=True)))
        return 2
    except ConfigError as error:
        # A problem with a file and line has no prefix of ours: editors can jump to it.
        for problem in error.problems:
            prefix = "" if problem.file else "sauce-janitor: "
            terminal.echo(f"{prefix}{problem}", err=True)
        return error.exit_code
    except JanitorError as error:
        terminal.echo(f"sauce-janitor: {error}", err=True)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - reported here, where its text is made printable
        return _report_unexpected(error)
    return code if isinstance(code, int) else 0


def _report_unexpected(error: Exception) -> int:
    """Print an error that no layer below has turned into a sentence, and return the exit code.

    It is damage of the state database, an error of the operating system, or a bug.
    """
    # Looked up rather than imported: if no command has loaded the state, it cannot be the cause.
    state = sys.modules.get("sauce_janitor.state")
    if state is not None and (damage := state.blame(error)) is not None:
        terminal.echo(f"sauce-janitor: {damage}", err=True)
        return JanitorError.exit_code
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        terminal.echo(f"sauce-janitor: {place}{error.strerror or error}", err=True)
        return JanitorError.exit_code
    traceback.print_exc()
    return 1


if __name__ == "__main__":
    main()
