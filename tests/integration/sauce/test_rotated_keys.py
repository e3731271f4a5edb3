"""A key that Sauce Labs refuses may have been changed since it was read: it is read again, once,
and then the run ends.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest
from pydantic import SecretStr

from sauce_janitor.errors import ConfigError, CredentialsError, SourceError
from sauce_janitor.model.jobs import Owner
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.gate import Gate
from sauce_janitor.sauce.http.connection import Connection
from tests.fakes.vendor import Vendor, json_reply, reply
from tests.support.sauce import ACCESS_KEY, BY_ID, job_permit

NEW_KEY = "canary-4712-the-key-of-today"
JOBS = "/rest/v1/jsmith/jobs"
REFUSED = json_reply({"errors": "Unauthorized"}, 401)


@dataclass
class Keeper:
    """Where the key is kept; counts who reads it."""

    key: str = NEW_KEY
    username: str = "jsmith"
    fault: str = ""
    reads: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> tuple[str, SecretStr]:
        with self._lock:
            self.reads += 1
        if self.fault:
            raise ConfigError(self.fault)
        return self.username, SecretStr(self.key)


@pytest.fixture
def keeper() -> Keeper:
    return Keeper()


@pytest.fixture
def kept(connection: Connection, keeper: Keeper) -> Connection:
    return replace(connection, read_again=keeper)


@pytest.fixture
def open_reader(kept: Connection) -> Iterator[Callable[[], SauceReader]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(SauceReader(kept))


def keys(vendor: Vendor) -> list[str]:
    """The access key of each request."""
    headers = [seen.headers["Authorization"].removeprefix("Basic ") for seen in vendor.seen]
    return [base64.b64decode(token).decode().partition(":")[2] for token in headers]


def list_jobs(reader: SauceReader) -> None:
    reader.list_jobs(Owner("jsmith"), limit=1)


def test_a_key_that_was_changed_is_read_again_and_used_from_then_on(
    vendor: Vendor, open_reader: Callable[[], SauceReader], keeper: Keeper
) -> None:
    vendor.on(JOBS, REFUSED, json_reply([]))
    reader = open_reader()
    list_jobs(reader)
    list_jobs(reader)
    assert keys(vendor) == [ACCESS_KEY, NEW_KEY, NEW_KEY]
    assert keeper.reads == 1


def test_who_reads_with_the_same_credential_uses_the_new_key_too(
    vendor: Vendor, open_reader: Callable[[], SauceReader]
) -> None:
    vendor.on(JOBS, REFUSED, json_reply([]))
    first, second = open_reader(), open_reader()
    list_jobs(first)
    list_jobs(second)
    assert keys(vendor)[-1] == NEW_KEY


@pytest.mark.parametrize("changed", [{"key": ACCESS_KEY}, {"username": "somebody-else"}])
def test_the_same_key_again_or_another_users_ends_the_run(
    vendor: Vendor, open_reader: Callable[[], SauceReader], keeper: Keeper, changed: dict[str, str]
) -> None:
    for name, value in changed.items():
        setattr(keeper, name, value)
    vendor.on(JOBS, REFUSED)
    with pytest.raises(CredentialsError, match="does not accept the credentials of user jsmith"):
        list_jobs(open_reader())
    assert keys(vendor) == [ACCESS_KEY]


def test_it_is_read_again_only_once(
    vendor: Vendor, open_reader: Callable[[], SauceReader], keeper: Keeper
) -> None:
    vendor.on(JOBS, REFUSED)
    reader = open_reader()
    with pytest.raises(CredentialsError):
        list_jobs(reader)
    keeper.key = "canary-4713-the-key-of-tomorrow"
    with pytest.raises(CredentialsError):
        list_jobs(reader)
    assert keys(vendor) == [ACCESS_KEY, NEW_KEY, NEW_KEY]
    assert keeper.reads == 1


def test_a_key_that_cannot_be_read_again_is_told_with_why(
    vendor: Vendor, open_reader: Callable[[], SauceReader], keeper: Keeper
) -> None:
    keeper.fault = "the file /run/secrets/key cannot be read: No such file or directory"
    vendor.on(JOBS, REFUSED)
    with pytest.raises(
        CredentialsError, match=r"not accepted \(401\), and cannot be read again: the file /run"
    ):
        list_jobs(open_reader())


def test_many_that_are_refused_at_once_read_it_once(
    vendor: Vendor, open_reader: Callable[[], SauceReader], keeper: Keeper
) -> None:
    vendor.on(JOBS, REFUSED, REFUSED, REFUSED, REFUSED, json_reply([]))
    reader, errors = open_reader(), []

    def ask() -> None:
        try:
            list_jobs(reader)
        except SourceError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keeper.reads == 1
    assert set(keys(vendor)) == {ACCESS_KEY, NEW_KEY}


def test_neither_key_is_in_what_is_said(
    vendor: Vendor, open_reader: Callable[[], SauceReader]
) -> None:
    vendor.on(JOBS, REFUSED, json_reply({"errors": f"{ACCESS_KEY} is old, {NEW_KEY} is new"}, 400))
    with pytest.raises(SourceError) as caught:
        list_jobs(open_reader())
    assert "canary" not in str(caught.value)


def test_a_write_that_is_refused_is_not_sent_again_and_the_next_has_the_new_key(
    vendor: Vendor, kept: Connection
) -> None:
    vendor.on(BY_ID, json_reply({}, 401), reply(b"", 204))
    with SauceReader(kept) as reader, Gate(kept, reader.budget) as gate:
        answer = gate.delete_job(job_permit())
        assert (answer.status, answer.doubtful, len(vendor.seen)) == (401, True, 1)
        assert gate.delete_job(job_permit(1)).status == 204
    assert keys(vendor) == [ACCESS_KEY, NEW_KEY]
