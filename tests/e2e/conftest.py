"""The command line as a process, beside a sandbox, on each backend.

A test that uses `storage` or `desk` runs three times: on SQLite and a folder in `make test`, on
PostgreSQL and a folder and on PostgreSQL and a bucket in `make test-thorough`; where it is marked
`on_change("cluster")` it runs on that one in `make test`, too. A test that is about a file or a
folder, or needs no storage, is marked `one_backend` with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from tests.support.backends import BACKENDS, Backend, Storage
from tests.support.processes import POLICIES, LoggedSandbox, Processes


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" not in metafunc.fixturenames:
        return
    names: tuple[str, ...] = BACKENDS
    on_change = {BACKENDS[0]}
    if only := metafunc.definition.get_closest_marker("one_backend"):
        names = (only.kwargs.get("on", BACKENDS[0]),)
        on_change |= set(names)
    for mark in metafunc.definition.iter_markers("on_change"):
        on_change |= set(mark.args)
    params = [
        pytest.param(name, marks=() if name in on_change else pytest.mark.thorough)
        for name in names
    ]
    metafunc.parametrize("backend", params, indirect=True, scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a test that would run on one backend without a word about it."""
    here = Path(__file__).parent
    silent = [
        item.nodeid
        for item in items
        if item.path.parent == here
        and "backend" not in getattr(item, "fixturenames", ())
        and item.get_closest_marker("one_backend") is None
    ]
    if silent:
        raise pytest.UsageError(
            "use `storage`, or mark with one_backend(reason):\n" + "\n".join(silent)
        )


@pytest.fixture(scope="session")
def backend(request: pytest.FixtureRequest) -> Backend:
    """One of the backends, see above."""
    return Backend(request.param, request.getfixturevalue)


@pytest.fixture
def storage(tmp_path: Path, backend: Backend) -> Iterator[Storage]:
    """A new state and an archive for a configuration in the folder `desk`."""
    (tmp_path / "desk").mkdir()
    with backend.storage(tmp_path / "desk") as made:
        yield made


@pytest.fixture
def start_sandbox(tmp_path: Path) -> Iterator[Callable[..., LoggedSandbox]]:
    """Start sandboxes in this process, as they would be in their own: one takes a second to start
    as a process, and tests/integration/sandbox/test_command.py does.
    """
    with ExitStack() as stack:

        def start(jobs: int = 300, **options: Any) -> LoggedSandbox:
            log_path = tmp_path / f"requests-{len(list(tmp_path.glob('requests-*')))}.jsonl"
            given = SandboxOptions(jobs=jobs, request_log=log_path, **options)
            return LoggedSandbox(stack.enter_context(Sandbox(given)).base_url, log_path)

        yield start


@pytest.fixture
def desk(
    tmp_path: Path, storage: Storage, start_sandbox: Callable[..., LoggedSandbox]
) -> Processes:
    """A folder with a configuration of three policies for a sandbox of 300 jobs."""
    made = Processes(tmp_path / "desk", start_sandbox(), storage)
    made.configure(POLICIES)
    return made
