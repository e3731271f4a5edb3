"""A process that has the program imported and forks for each command: a run costs tens of
milliseconds, not two seconds.

`python -m tests.attack.forkserver SOCKET` listens there. A connection brings one line of JSON: the
arguments, the folder, the environment, the page of strike.c and the file for what the command says;
two lines go back: its process id, and its end.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

_SKIPPED = ("sauce_janitor.__main__", "sauce_janitor.sandbox", "sauce_janitor.state.migrations")


def load() -> None:
    """Import all of the program, and what it imports late."""
    import sauce_janitor

    for module in pkgutil.walk_packages(sauce_janitor.__path__, "sauce_janitor."):
        if not module.name.startswith(_SKIPPED):
            importlib.import_module(module.name)
    for name in (
        "sauce_janitor.__main__",
        "sqlalchemy.dialects.sqlite",
        "alembic.command",
        "logging.config",
    ):
        importlib.import_module(name)
    from sauce_janitor.model import open_intents

    # Runs are 5 s apart here, and nothing is under way for longer: see `timeout` in world.py.
    open_intents.IN_FLIGHT_S = 4.0  # type: ignore[attr-defined]  # imported from where it is Final


def obey(order: dict[str, Any]) -> int:
    """Be the command; its exit code. What nobody caught is shown as a traceback, as Python does."""
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["environment"])
    said = os.open(order["said"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in (1, 2):
        os.dup2(said, number)
    os.close(said)
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    from sauce_janitor.__main__ import main

    if ctypes.CDLL(None).armed(os.fsencode(order["page"])):
        raise RuntimeError("the page of strike.c cannot be mapped")
    try:
        main(order["arguments"])
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - this is the process' last resort
        traceback.print_exc()
        return 1
    return 0


def serve(path: Path) -> None:
    """Fork for each connection, for ever."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(16)
        gc.freeze()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                _keep(connection)
            connection.close()


def _keep(connection: socket.socket) -> None:
    """Fork the command, and tell of its end."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with connection, connection.makefile("rw") as talk:
        order = json.loads(talk.readline())
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = obey(order)
                sys.stdout.flush()
                sys.stderr.flush()
            finally:
                os._exit(code)
        talk.write(f"{pid}\n")
        talk.flush()
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(BrokenPipeError):  # who asked does not wait any more
            talk.write(f"{os.waitstatus_to_exitcode(status)}\n")
            talk.flush()
    os._exit(0)


if __name__ == "__main__":
    load()
    serve(Path(sys.argv[1]))
