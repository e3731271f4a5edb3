"""The one call that deletes all of a user's jobs, and all that cannot send it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from sauce_janitor.clock import CLOCK
from sauce_janitor.errors import AnswerError, CredentialsError, PermitError
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.model.permits import DeleteAllPermit
from sauce_janitor.sauce import delete_all, gate
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.delete_all import BulkGate
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.transport import HttpRequest
from sauce_janitor.sauce.writes import _Armed
from tests.fakes.vendor import Vendor, json_reply, reply

JOB = JobId("ab" * 16)
ALL = "/rest/v1.1/jsmith/jobs"


def permit(owner: str = "jsmith", typed: str | None = None, age_s: float = 0.0) -> DeleteAllPermit:
    said = owner if typed is None else typed
    return DeleteAllPermit(Owner(owner), said, frozenset({JOB}), CLOCK.monotonic() - age_s, 1)


@pytest.fixture
def bulk_gate(connection: Connection, reader: SauceReader) -> Iterator[BulkGate]:
    with BulkGate(connection, reader.budget) as made:
        yield made


def test_it_is_this_one_request_line(vendor: Vendor, bulk_gate: BulkGate) -> None:
    vendor.on(ALL, reply(b"", 204))
    vendor.on("/rest/v1.1/j%C3%B6rg%40x/jobs", reply(b"", 204))
    assert bulk_gate.delete_all(permit()).status == 204
    assert bulk_gate.delete_all(permit("jörg@x")).status == 204
    assert [(seen.method, seen.target, seen.body) for seen in vendor.seen] == [
        ("DELETE", ALL, b""),
        ("DELETE", "/rest/v1.1/j%C3%B6rg%40x/jobs", b""),
    ]


@pytest.mark.parametrize("typed", ["", "JSMITH", "jsmith ", "jsmit", "yes"])
def test_another_name_than_the_users_reaches_no_socket(
    vendor: Vendor, bulk_gate: BulkGate, typed: str
) -> None:
    with pytest.raises(PermitError, match="nothing was sent"):
        bulk_gate.delete_all(permit(typed=typed))
    assert vendor.seen == []


def test_no_jobs_an_old_permit_or_one_used_before_reach_no_socket(
    vendor: Vendor, bulk_gate: BulkGate
) -> None:
    with pytest.raises(PermitError, match="nothing to delete"):
        bulk_gate.delete_all(replace(permit(), jobs=frozenset()))
    with pytest.raises(PermitError, match="ask Sauce Labs again"):
        bulk_gate.delete_all(permit(age_s=10.1))
    with pytest.raises(PermitError, match="takes a DeleteAllPermit"):
        bulk_gate.delete_all(object())  # type: ignore[arg-type]
    assert vendor.seen == []
    vendor.on(ALL, reply(b"", 500))
    one = permit()
    assert bulk_gate.delete_all(one).doubtful
    with pytest.raises(PermitError, match="used before"):
        bulk_gate.delete_all(one)
    assert len(vendor.seen) == 1


@pytest.mark.parametrize("owner", ["", ".", "..", "a/b", "a\nb"])
def test_a_name_that_no_user_has_reaches_no_socket(
    vendor: Vendor, bulk_gate: BulkGate, owner: str
) -> None:
    with pytest.raises(ValueError, match="not a user name"):
        bulk_gate.delete_all(permit(owner))
    assert vendor.seen == []


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("DELETE", f"/rest/v1.1/jobs/{JOB}"),
        ("DELETE", f"/rest/v1/jsmith/jobs/{JOB}"),
        ("DELETE", "/rest/v1/jsmith/jobs"),
        ("DELETE", f"{ALL}/"),
        ("DELETE", f"{ALL}?x=1"),
        ("DELETE", "/rest/v1.1/a%2Fb/jobs"),
        ("DELETE", "/rest/v1.1/../jobs"),
        ("PUT", ALL),
        ("POST", ALL),
    ],
)
def test_even_armed_it_writes_nothing_else(
    vendor: Vendor, bulk_gate: BulkGate, method: str, target: str
) -> None:
    bulk_gate._here.armed = _Armed(f"{method} {target}", CLOCK.monotonic())
    with pytest.raises((PermitError, AnswerError), match=r"not sent|cannot be requested"):
        bulk_gate._transport.send(
            HttpRequest(method, target, "delete_all", "x"), bulk_gate._transport.answer_limits()
        )
    assert vendor.seen == []


def test_neither_gate_lets_by_what_the_other_does() -> None:
    lines = [
        "DELETE /rest/v1.1/jsmith/jobs",
        f"DELETE /rest/v1.1/jobs/{JOB}",
        f"DELETE /rest/v1/jsmith/jobs/{JOB}",
    ]
    for line in lines:
        passes = [
            any(each.line.fullmatch(line) for each in allowed)
            for allowed in (gate.ALLOWED, delete_all.ALLOWED)
        ]
        assert sum(passes) == 1, line
    assert all("jobs/" in each.line.pattern for each in gate.ALLOWED), "each names one job"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_it_follows_no_redirect_and_is_sent_once(
    vendor: Vendor, bulk_gate: BulkGate, status: int
) -> None:
    vendor.on(ALL, reply(b"", status, {"Location": f"{vendor.url}/rest/v1.1/other/jobs"}))
    assert bulk_gate.delete_all(permit()).doubtful
    assert len(vendor.seen) == 1


def test_wrong_credentials_raise(vendor: Vendor, bulk_gate: BulkGate) -> None:
    vendor.on(ALL, json_reply({}, 401))
    with pytest.raises(CredentialsError):
        bulk_gate.delete_all(permit())
