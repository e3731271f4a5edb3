"""Runs a program that prints a secret, with limits on time and size, and without a shell."""

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
"""How long such a program may take; shorter than the time that a stop of the daemon waits."""
_POLL_S: Final = 0.1


class NoOutputError(Exception):
    """The program printed no secret. The text says why, and never quotes what was printed."""


def printed(
    command: Sequence[str],
    *,
    folder: Path,
    environ: Mapping[str, str],
    most: int,
    limit_s: float = LIMIT_S,
) -> bytes:
    """Return what the program prints on stdout, at most `most` bytes.

    A program that takes too long is killed, with all processes that it started. Raise NoOutputError
    if it cannot be started, fails, prints too much, or takes too long.
    """
    try:
        # The arguments come from the operator's own file, and no shell sees them. The output is
        # never shown, and neither is stderr, which may quote the secret. In a session of its own
        # the program and its children can be killed together.
        child = subprocess.Popen(  # noqa: S603 - see above
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=dict(environ),
            start_new_session=True,
        )
    except OSError as error:
        raise NoOutputError(f"cannot be started: {error.strerror or error}") from error
    with child:
        try:
            data = _read(child, most=most, until=time.monotonic() + limit_s)
        except TimeoutError:
            raise NoOutputError(f"did not end within {limit_s:g} s") from None
        finally:
            # Also after an exception such as Ctrl-C: no process may be left with the secret in its
            # pipe.
            if child.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
    # What a failed program printed is no secret but half of one, or a message.
    if child.returncode != 0:
        raise NoOutputError(f"ended with {child.returncode}")
    return data


def _read(child: subprocess.Popen[bytes], *, most: int, until: float) -> bytes:
    """Return all that the program prints until it ends. Raise TimeoutError when it takes too long.

    A process that it leaves behind, such as an agent, may keep the pipe open: it is not waited for.
    """
    assert child.stdout is not None
    data = b""
    is_open = True
    while is_open or child.poll() is None:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        # Asked before `select`: what the program wrote before it ended is still in the pipe and is
        # read.
        ended = child.poll() is not None
        # It has closed its output but goes on. Its exit code decides, so it is waited for.
        if not is_open:
            with suppress(subprocess.TimeoutExpired):
                child.wait(left)
        elif select.select([child.stdout], [], [], 0 if ended else min(left, _POLL_S))[0]:
            chunk = os.read(child.stdout.fileno(), most + 1)
            data += chunk
            is_open = bool(chunk)
            # A program that prints without end must not fill the memory.
            if len(data) > most:
                raise NoOutputError("printed too much for a secret")
        elif ended:
            break
    return data
