"""The image, built from the Dockerfile and run without a Docker engine."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.components import lacking
from tests.support.containers import CLUSTER_IMAGE, IMAGE, TOP, Engine
from tests.support.manifests import MANIFESTS, OVERLAYS, Object
from tests.support.pods import KEY
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
def render(component: Callable[[str], Path]) -> Callable[[Path], list[Object]]:
    """What `kubectl kustomize` makes of a folder."""
    kubectl = component("kubectl")

    def rendered(folder: Path) -> list[Object]:
        done = subprocess.run(
            [kubectl, "kustomize", folder], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
        return list(yaml.safe_load_all(done.stdout))

    return rendered


@pytest.fixture(scope="session")
def overlays(render: Callable[[Path], list[Object]]) -> dict[str, list[Object]]:
    """What the overlays are, rendered. Do not change it."""
    return {name: render(MANIFESTS / "overlays" / name) for name in OVERLAYS}


@pytest.fixture(scope="session")
def image(component: Callable[[str], Path]) -> str:
    """The image's name, built when its sources changed."""
    if os.geteuid() != 0:
        lacking("images are built here as root only")
    for command in ("buildah", "podman", "runc", "mmdebstrap"):
        component(command)
    build()
    return IMAGE


@pytest.fixture(scope="session")
def cluster_image(image: str) -> str:
    """The image with what workers on servers need."""
    assert image
    build("cluster")
    return CLUSTER_IMAGE


def build(*what: str) -> None:
    done = subprocess.run(
        [str(TOP / ".ci/image"), "build", *what],
        text=True, capture_output=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Sauce Labs, with the key of the pods."""
    with Sandbox(SandboxOptions(jobs=60, access_key=KEY)) as started:
        yield started


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
