"""What holds for every test: properties have no deadline (speed is measured in benchmarks/), and in
CI no dice.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import HealthCheck, settings

from sauce_janitor.model import open_intents
from sauce_janitor.times import show_times_in
from tests.support.components import lacking
from tests.support.laws import ON_A_CHANGE, THOROUGH

if TYPE_CHECKING:
    from tests.support.postgresql import Postgresql
    from tests.support.seaweedfs import Seaweedfs

# A machine under load is slow to make inputs too; that says nothing about the program.
settings.register_profile(
    "change",
    max_examples=ON_A_CHANGE,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("ci", settings.get_profile("change"), derandomize=True)
# `make test-thorough` asks for it with --hypothesis-profile; new examples each time.
settings.register_profile("thorough", settings.get_profile("change"), max_examples=THOROUGH)
settings.load_profile("ci" if os.environ.get("CI") else "change")

# Collecting the tests makes objects that stay to the end. Python would look for garbage among them
# many times while it collects, which takes a third of the time, and at each later search.
gc.disable()


def pytest_collection_finish() -> None:
    """From now on Python looks for garbage again, but not among what was collected."""
    gc.freeze()
    gc.enable()


_COMPONENTS = Path(__file__).parents[1] / ".components"
"""Where .ci/components puts what is not Debian's: programs are in NAME/bin or, from npm, in
NAME/node_modules/.bin.
"""


@pytest.fixture(scope="session")
def component() -> Callable[[str], Path]:
    """Finds a real component by its command. Where it is missing the test is skipped, in CI it
    fails; both name it.
    """

    def find(command: str) -> Path:
        places = [
            *_COMPONENTS.glob("*/bin"),
            *_COMPONENTS.glob("*/node_modules/.bin"),
            *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True),
        ]
        found = shutil.which(
            command, path=os.pathsep.join([*map(str, places), os.environ["PATH"], "/usr/sbin"])
        )
        if found is None:
            lacking(f"{command} is not installed: .ci/components installs it")
        return Path(found)

    return find


@pytest.fixture(scope="session")
def postgresql(component: Callable[[str], Path]) -> Iterator[Postgresql]:
    """A real PostgreSQL server, started when the first test asks for it."""
    from tests.support.postgresql import Postgresql

    server = Postgresql(component)
    yield server
    server.close()


@pytest.fixture(autouse=True)
def no_wait_for_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that one run cut short is over when the next one begins: no run waits 46 s for that.

    The tests of that wait set the number again.
    """
    monkeypatch.setattr(open_intents, "IN_FLIGHT_S", 0.0)


@pytest.fixture(scope="session")
def s3_server(component: Callable[[str], Path]) -> Iterator[Seaweedfs]:
    """A real S3 server, started when the first test asks for it."""
    from tests.support.seaweedfs import Seaweedfs

    server = Seaweedfs(component)
    yield server
    server.close()


def pytest_runtest_teardown() -> None:
    """What a command that ran in this process set up for its log and its times is not the next
    test's.
    """
    structlog.reset_defaults()
    show_times_in()
