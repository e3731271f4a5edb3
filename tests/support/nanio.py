"""An S3 server that ignores conditions in silence (nanio), for one test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sauce_janitor.model.archive.locations import S3Location
from tests.support.ports import free_port, until_answers
from tests.support.seaweedfs import KEY, SECRET


@contextmanager
def nanio(component: Callable[[str], Path], folder: Path) -> Iterator[S3Location]:
    """Starts the server with a bucket, and yields a place in it."""
    port = free_port()
    (folder / "data" / "archives").mkdir(parents=True)
    arguments = [
        str(component("nanio")), "serve", "--host", "127.0.0.1", "--port", str(port),
        "--data-dir", str(folder / "data"), "--no-access-log",
    ]  # fmt: skip
    environment = {"NANIO_ACCESS_KEY": KEY, "NANIO_SECRET_KEY": SECRET}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(arguments, env=os.environ | environment, stdout=log, stderr=log)
    try:
        until_answers(f"http://127.0.0.1:{port}/")
        yield S3Location(
            "archives", "sauce", f"http://127.0.0.1:{port}", credentials=lambda: (KEY, SECRET)
        )
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
