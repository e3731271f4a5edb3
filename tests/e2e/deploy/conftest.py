"""The image, built from the Dockerfile and run without a Docker engine."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

TOP = Path(__file__).parents[3]
IMAGE = "localhost/sauce-janitor:test"
SOMEBODY = 54_321
"""A user that no /etc/passwd knows, as a cluster may choose one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever of them comes first builds the image, on a new machine with its base: minutes,
    where others take seconds.
    """
    for item in items:
        if "image" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900))


@dataclass
class Engine:
    """podman beside the image; what it started is removed at the end."""

    started: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, code: int = 0, timeout: float = 120) -> str:
        """`podman ARGUMENTS…`; what it printed on both streams."""
        done = subprocess.run(
            [str(TOP / ".ci/image"), "podman", *arguments],
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == code, (
            f"podman {arguments} ended {done.returncode}, not {code}\n{done.stdout}"
        )
        return done.stdout

    def start(self, *arguments: str) -> str:
        """Start a container in the background; its name."""
        name = f"test-{secrets.token_hex(6)}"
        self.started.append(name)
        self("run", "--detach", "--name", name, *arguments)
        return name

    def close(self) -> None:
        """Remove what was started."""
        for name in self.started:
            self("rm", "--force", "--ignore", "--time", "1", name)


HARDENED = (
    "--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges",
    "--user", f"{SOMEBODY}:0", "--memory", "512m",
)  # fmt: skip
"""As the Pod Security Standard `restricted` runs it, and no file system writable but the one that
is mounted.
"""


@pytest.fixture(scope="session")
def image(component: Callable[[str], Path]) -> str:
    """The image's name, built when its sources changed."""
    if os.geteuid() != 0:
        pytest.skip("images are built here as root only")
    for command in ("buildah", "podman", "runc", "mmdebstrap"):
        component(command)
    done = subprocess.run(
        [str(TOP / ".ci/image"), "build"], text=True, capture_output=True, check=False, timeout=600
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return IMAGE


@pytest.fixture
def engine(image: str) -> Iterator[Engine]:
    """podman, with the image built."""
    made = Engine()
    yield made
    made.close()


def until_answers(url: str, *, token: str = "", containing: str = "", timeout_s: float = 60) -> int:
    """The status of the first answer that is no connection error (nor 503, nor without the text),
    however slow the machine.
    """
    request = urllib.request.Request(
        url, headers={"Authorization": f"Bearer {token}"} if token else {}
    )
    seen: object = None
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                seen = answer.read().decode()
                if containing in str(seen):
                    status: int = answer.status
                    return status
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:
                    return error.code
                seen = error.read()
        except OSError as error:
            seen = error
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer as it should: {str(seen)[-500:]}")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


@pytest.fixture
def pushgateway(component: Callable[[str], Path]) -> Iterator[str]:
    """A real Pushgateway; its address."""
    port = free_port()
    process = subprocess.Popen(
        [component("prometheus-pushgateway"), f"--web.listen-address=127.0.0.1:{port}", "--persistence.file="],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until_answers(f"http://127.0.0.1:{port}/-/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)
