"""A vendor on loopback and clients with short patience."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from pydantic import SecretStr

from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.gate import Gate
from sauce_janitor.sauce.http.connection import Connection
from tests.fakes.vendor import Vendor
from tests.support.sauce import ACCESS_KEY


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with Vendor() as server:
        yield server


@pytest.fixture
def connection(vendor: Vendor) -> Connection:
    return Connection(
        vendor.url,
        "jsmith",
        SecretStr(ACCESS_KEY),
        timeout_s=0.3,
        timeout_total_s=0.6,
        attempts=2,
        max_wait_s=0.01,
    )


@pytest.fixture
def reader_with(connection: Connection) -> Iterator[Callable[..., SauceReader]]:
    """Makes readers whose connection differs as said."""
    with ExitStack() as stack:

        def make(**changes: object) -> SauceReader:
            return stack.enter_context(SauceReader(replace(connection, **changes)))  # type: ignore[arg-type]

        yield make


@pytest.fixture
def reader(reader_with: Callable[..., SauceReader]) -> SauceReader:
    return reader_with()


@pytest.fixture
def gate(connection: Connection, reader: SauceReader) -> Iterator[Gate]:
    with Gate(connection, reader.budget) as one:
        yield one
