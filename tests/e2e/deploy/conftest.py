"""The image, built from the Dockerfile and run without a Docker engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.components import lacking
from tests.support.containers import IMAGE, TOP, Engine
from tests.support.ports import free_port, until_answers


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever of them comes first builds the image, on a new machine with its base: minutes,
    where others take seconds. So they are for `make test-thorough`.
    """
    for item in items:
        if "image" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900))
            item.add_marker(pytest.mark.thorough)


@pytest.fixture(scope="session")
def image(component: Callable[[str], Path]) -> str:
    """The image's name, built when its sources changed."""
    if os.geteuid() != 0:
        lacking("images are built here as root only")
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


@pytest.fixture
def pushgateway(component: Callable[[str], Path]) -> Iterator[str]:
    """A real Pushgateway; its address."""
    port = free_port()
    process = subprocess.Popen(
        [
            component("prometheus-pushgateway"),
            f"--web.listen-address=127.0.0.1:{port}",
            "--persistence.file=",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until_answers(f"http://127.0.0.1:{port}/-/ready")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=20)
