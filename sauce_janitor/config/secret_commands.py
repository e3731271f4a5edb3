"""Running a program that prints a secret: for a while, for a few bytes, and never through a
shell.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

LIMIT_S: Final = 15.0
"""How long such a program may take: less than what a stop waits for."""
_GLANCE_S: Final = 0.1


class NoOutputError(Exception):
    """Its text says what went wrong, without a word of what was printed."""


def printed(
    command: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    most: int,
    limit_s: float = LIMIT_S,
) -> bytes:
    """What the program prints on stdout, at most so many bytes. NoOutputError; a program that takes
    too long is killed with all that it started.
    """
    try:
        # An argument list from the operator's own file, never a shell; what it prints is shown
        # nowhere.
        child = subprocess.Popen(  # noqa: S603 - see above
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder,
            env=dict(environ), start_new_session=True,
        )  # fmt: skip
    except OSError as wrong:
        raise NoOutputError(f"cannot be started: {wrong.strerror or wrong}") from wrong
    with child:
        try:
            data = _read(child, most=most, until=time.monotonic() + limit_s)
        except TimeoutError:
            raise NoOutputError(f"did not end within {limit_s:g} s") from None
        finally:
            if child.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
    if child.returncode != 0:
        raise NoOutputError(f"ended with {child.returncode}")
    return data


def _read(child: subprocess.Popen[bytes], *, most: int, until: float) -> bytes:
    """All it prints until it has ended. What it leaves behind (an agent, say) may keep the pipe
    open, and is not waited for.
    """
    assert child.stdout is not None
    data = b""
    is_open = True
    while is_open or child.poll() is None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        ended = child.poll() is not None
        if not is_open:
            with suppress(subprocess.TimeoutExpired):
                child.wait(left)
        elif select.select([child.stdout], [], [], 0 if ended else min(left, _GLANCE_S))[0]:
            chunk = os.read(child.stdout.fileno(), most + 1)
            data += chunk
            is_open = bool(chunk)
            if len(data) > most:
                raise NoOutputError("printed too much for a secret")
        elif ended:
            break
    return data
