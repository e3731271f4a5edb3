"""The gate against a real server: what it sends, what it never sends, and how it takes each
answer.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import pytest

from sauce_janitor.clock import CLOCK, SystemClock
from sauce_janitor.errors import (
    AnswerError,
    BudgetSpentError,
    CredentialsError,
    PermitError,
    StoppedError,
)
from sauce_janitor.model.jobs import JobId
from sauce_janitor.model.permits import (
    DeleteAssetsPermit,
    ManualStopPermit,
    NothingWanted,
    Receipt,
    StopPermit,
    UpdatePermit,
)
from sauce_janitor.sauce import writes as gate_module
from sauce_janitor.sauce.budget.budget import RequestBudget, Ticket
from sauce_janitor.sauce.budget.meter import Meter
from sauce_janitor.sauce.client import SauceReader
from sauce_janitor.sauce.gate import Gate
from sauce_janitor.sauce.http.connection import Connection
from sauce_janitor.sauce.http.exchange_watch import AnswerLimits
from sauce_janitor.sauce.http.guarded_connection import GuardedConnection
from sauce_janitor.sauce.http.request_events import RequestEvent
from sauce_janitor.sauce.http.transport import HttpRequest, Transport
from sauce_janitor.sauce.writes import _Armed
from tests.fakes.vendor import Reply, Vendor, json_reply, reply
from tests.support.sauce import BY_ID, JOB, ME, PROOF, job_permit

ASSETS = f"/rest/v1/jsmith/jobs/{JOB}/assets"
JOB_PATH = f"/rest/v1/jsmith/jobs/{JOB}"


def assets_permit(
    age_s: float = 0.0, proof: Receipt | NothingWanted = PROOF, job: str = JOB
) -> DeleteAssetsPermit:
    return DeleteAssetsPermit(JobId(job), ME, proof, "f", CLOCK.monotonic() - age_s, 1)


def stop_permit() -> StopPermit:
    return StopPermit(JOB, ME, "f", CLOCK.monotonic(), 1)


def update_permit(body: str = '{"tags": ["keep"]}', age_s: float = 0.0) -> UpdatePermit:
    return UpdatePermit(JOB, ME, body, CLOCK.monotonic() - age_s)


@pytest.fixture
def gate_with(connection: Connection) -> Iterator[Callable[..., Gate]]:
    with ExitStack() as stack:

        def make(*, stop: threading.Event | None = None, **changes: object) -> Gate:
            changed = replace(connection, **changes)  # type: ignore[arg-type]
            return stack.enter_context(Gate(changed, RequestBudget.of(changed), stop=stop))

        yield make


def test_a_permit_that_names_no_address_deletes_no_job(vendor: Vendor, gate: Gate) -> None:
    with pytest.raises(PermitError, match="names no address"):
        gate.delete_job(job_permit(address=None))
    assert vendor.seen == []


def test_the_three_writes_are_these_request_lines(vendor: Vendor, gate: Gate) -> None:
    vendor.on(ASSETS, json_reply([["video.mp4", 7], ["_tracelog_1.json.gz", 9]]))
    vendor.on(BY_ID, reply(b"", 204))
    vendor.on(f"/rest/v1/jsmith/jobs/{JOB}", json_reply({"id": JOB}))
    vendor.on(f"/rest/v1/jsmith/jobs/{JOB}/stop", json_reply({"id": JOB}))
    assets = gate.delete_assets(assets_permit())
    assert (assets.status, assets.deleted, assets.doubtful) == (
        200,
        (("video.mp4", 7), ("_tracelog_1.json.gz", 9)),
        False,
    )
    assert gate.delete_job(job_permit()).status == 204
    assert not gate.delete_job(job_permit(address="v1")).doubtful
    assert gate.stop(stop_permit()).status == 200
    assert [(seen.method, seen.target) for seen in vendor.seen] == [
        ("DELETE", ASSETS),
        ("DELETE", BY_ID),
        ("DELETE", f"/rest/v1/jsmith/jobs/{JOB}"),
        ("PUT", f"/rest/v1/jsmith/jobs/{JOB}/stop"),
    ]


def test_what_a_person_does_are_these_two_requests(vendor: Vendor, gate: Gate) -> None:
    vendor.on(JOB_PATH, json_reply({"id": JOB}))
    vendor.on(f"{JOB_PATH}/stop", json_reply({"id": JOB}))
    assert gate.update(update_permit()).status == 200
    assert gate.stop(ManualStopPermit(JOB, ME, CLOCK.monotonic())).status == 200
    assert [(seen.method, seen.target, seen.body) for seen in vendor.seen] == [
        ("PUT", JOB_PATH, b'{"tags": ["keep"]}'),
        ("PUT", f"{JOB_PATH}/stop", b""),
    ]
    assert vendor.seen[0].headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{}",
        "[]",
        "null",
        "{",
        '{"tags": "keep"}',
        '{"tags": [1]}',
        '{"tags": null}',
        '{"passed": "true"}',
        '{"public": "everybody"}',
        '{"name": 1}',
        '{"custom-data": []}',
        '{"data": {"passed": true}}',
        '{"status": "complete"}',
        '{"tags": [], "deletion_time": 1}',
        '{"name": "' + "x" * 70_000 + '"}',
        "[" * 20_000,
    ],
)
def test_an_update_that_says_anything_but_what_a_job_has_reaches_no_socket(
    vendor: Vendor, gate: Gate, body: str
) -> None:
    with pytest.raises(PermitError, match="sets no field"):
        gate.update(update_permit(body))
    assert vendor.seen == []


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("DELETE", f"/rest/v1.1/jobs/{JOB}", b'{"tags": []}'),
        ("PUT", f"/rest/v1/jsmith/jobs/{JOB}/stop", b'{"tags": []}'),
        ("PUT", f"/rest/v1/jsmith/jobs/{JOB}", b'{"evil": 1}'),
        ("PUT", f"/rest/v1/jsmith/jobs/{JOB}", None),
    ],
)
def test_even_an_armed_gate_writes_only_the_bodies_that_fit_the_line(
    vendor: Vendor, gate: Gate, method: str, target: str, body: bytes | None
) -> None:
    gate._here.armed = _Armed(f"{method} {target}", CLOCK.monotonic(), body)
    with pytest.raises(PermitError, match=r"body .* not sent"):
        gate._transport.send(
            HttpRequest(method, target, "update", "x", body=body), gate._transport.answer_limits()
        )
    assert vendor.seen == []


def test_another_body_than_the_permits_reaches_no_socket(vendor: Vendor, gate: Gate) -> None:
    gate._here.armed = _Armed(f"PUT {JOB_PATH}", CLOCK.monotonic(), b'{"tags": ["a"]}')
    ask = HttpRequest("PUT", JOB_PATH, "update", "x", body=b'{"tags": ["b"]}')
    with pytest.raises(PermitError, match=r"body .* not sent"):
        gate._transport.send(ask, gate._transport.answer_limits())
    assert vendor.seen == []


def test_a_reading_connection_sends_no_body(vendor: Vendor, reader: SauceReader) -> None:
    ask = HttpRequest("GET", JOB_PATH, "job", "x", body=b"{}")
    with pytest.raises(PermitError):
        reader._transport.send(ask, reader._transport.answer_limits())
    assert vendor.seen == []


def test_a_persons_permits_grow_old_and_are_good_for_one_request_too(
    vendor: Vendor, gate: Gate
) -> None:
    vendor.on(JOB_PATH, json_reply({"id": JOB}))
    with pytest.raises(PermitError, match="ask Sauce Labs again"):
        gate.update(update_permit(age_s=10.1))
    with pytest.raises(PermitError, match="ask Sauce Labs again"):
        gate.stop(ManualStopPermit(JOB, ME, CLOCK.monotonic() - 10.1))
    permit = update_permit()
    gate.update(permit)
    with pytest.raises(PermitError, match="used before"):
        gate.update(permit)
    with pytest.raises(PermitError, match="takes an UpdatePermit"):
        gate.update(stop_permit())  # type: ignore[arg-type]
    assert len(vendor.seen) == 1


@pytest.mark.parametrize("status", [400, 404])
def test_a_clear_refusal_is_not_doubtful(vendor: Vendor, gate: Gate, status: int) -> None:
    vendor.on(BY_ID, json_reply({"errors": "Not Found"}, status))
    answer = gate.delete_job(job_permit())
    assert (answer.status, answer.doubtful, answer.detail) == (status, False, "Not Found")


@pytest.mark.parametrize("status", [301, 302, 307, 308, 403, 409, 429, 500, 503])
def test_anything_else_is_doubtful_and_sent_once(vendor: Vendor, gate: Gate, status: int) -> None:
    vendor.on(
        BY_ID,
        reply(b"", status, {"Location": f"{vendor.url}/rest/v1.1/jsmith/jobs", "Retry-After": "0"}),
    )
    answer = gate.delete_job(job_permit())
    assert (answer.status, answer.doubtful) == (status, True)
    assert len(vendor.seen) == 1


@pytest.mark.parametrize(("status", "waits"), [(429, True), (503, False)])
def test_a_write_that_is_told_to_wait_holds_back_all_that_comes_after_it(
    vendor: Vendor, gate: Gate, reader: SauceReader, status: int, waits: bool
) -> None:
    """A 429 is about the account: the look that follows must not be the next 429. A 503 is about
    one answer.
    """
    vendor.on(BY_ID, reply(b"", status, {"Retry-After": "7200"}))
    assert gate.delete_job(job_permit()).doubtful
    assert (reader.budget.goes_on_in() > 3000) is waits
    assert len(vendor.seen) == 1


@pytest.mark.parametrize(
    "broken",
    [
        Reply(b""),
        Reply(b"", "stall"),
        Reply(b"HTTP/1.1 20"),
        Reply(b"!"),
        Reply(b"HTTP/1.1 200 OK\r\nX: ", "drip"),
    ],
)
def test_no_whole_answer_is_doubtful_and_sent_once(
    vendor: Vendor, gate: Gate, broken: Reply
) -> None:
    vendor.on(BY_ID, broken)
    answer = gate.delete_job(job_permit())
    assert (answer.status, answer.doubtful) == (None, True)
    assert answer.detail
    assert len(vendor.seen) == 1


def test_a_cut_body_after_a_200_is_doubtful(vendor: Vendor, gate: Gate) -> None:
    vendor.on(ASSETS, reply(b'[["video.mp4", 7', length=99))
    answer = gate.delete_assets(assets_permit())
    assert (answer.status, answer.deleted, answer.doubtful) == (200, None, True)


@pytest.mark.parametrize("status", [200, 202])
def test_a_page_of_some_proxy_proves_no_delete(vendor: Vendor, gate: Gate, status: int) -> None:
    vendor.on(BY_ID, reply(b"<html>Please log in</html>", status, {"Content-Type": "text/html"}))
    answer = gate.delete_job(job_permit())
    assert (answer.status, answer.doubtful) == (status, True)


@pytest.mark.parametrize(
    "body", [{"ok": True}, [["x"]], [["x", -1]], [["x", True]], [[1, 2]], None]
)
def test_an_answer_without_sizes_is_done_all_the_same(
    vendor: Vendor, gate: Gate, body: object
) -> None:
    vendor.on(ASSETS, json_reply(body))
    answer = gate.delete_assets(assets_permit())
    assert (answer.status, answer.deleted, answer.doubtful) == (200, None, False)


def test_401_is_the_one_status_that_raises(vendor: Vendor, gate: Gate) -> None:
    vendor.on(BY_ID, json_reply({}, 401))
    with pytest.raises(CredentialsError):
        gate.delete_job(job_permit())


@pytest.mark.parametrize("age_s", [10.1, 3600, -5])
def test_a_permit_older_than_ten_seconds_or_from_the_future_sends_nothing(
    vendor: Vendor, gate: Gate, age_s: float
) -> None:
    with pytest.raises(PermitError, match="ask Sauce Labs again"):
        gate.delete_job(job_permit(age_s))
    assert vendor.seen == []


class Frozen(RequestBudget):
    """The process sleeps while the budget does one of its two things: long before the write, or
    right before it.
    """

    slept_s = 0.0
    sleeps_s = 11.0
    at = "take"

    def take(self) -> Ticket:
        self.slept_s += self.sleeps_s * (self.at == "take")
        return Ticket()

    def leaves(self, ticket: Ticket) -> None:
        self.slept_s += self.sleeps_s * (self.at == "leaves")


@pytest.fixture
def frozen(connection: Connection) -> Iterator[tuple[Gate, Frozen, SystemClock]]:
    """A gate, its budget, and the clock by which both live."""
    budget = Frozen(Meter(connection.origin, connection.username), connection.timetable)
    clock = SystemClock(steady=lambda: 1000 + budget.slept_s, wall=lambda: 2000 + budget.slept_s)
    with Gate(connection, budget, clock=clock) as gate:
        yield gate, budget, clock


@pytest.mark.parametrize("at", ["take", "leaves"])
def test_a_permit_that_grew_old_on_its_way_to_the_socket_sends_nothing(
    vendor: Vendor, frozen: tuple[Gate, Frozen, SystemClock], at: str
) -> None:
    gate, budget, clock = frozen
    budget.at = at
    with pytest.raises(PermitError, match="ask Sauce Labs again"):
        gate.delete_job(replace(job_permit(), asked_at=clock.monotonic()))
    assert vendor.seen == []


@pytest.mark.parametrize(("listed_s", "at"), [(60.1, ""), (55.0, "leaves")])
def test_a_list_that_is_old_or_grew_old_on_its_way_to_the_socket_sends_nothing(
    vendor: Vendor, frozen: tuple[Gate, Frozen, SystemClock], listed_s: float, at: str
) -> None:
    gate, budget, clock = frozen
    budget.at, budget.sleeps_s = at, 8.0
    now = clock.monotonic()
    with pytest.raises(PermitError, match="the asset list is 6"):
        gate.delete_job(replace(job_permit(), asked_at=now, listed_at=now - listed_s))
    assert vendor.seen == []


@pytest.mark.parametrize(("timeout_s", "most_s"), [(60.0, 35.0), (2.0, 8.0)])
def test_a_write_is_answered_within_35_s_or_given_up(
    vendor: Vendor,
    gate_with: Callable[..., Gate],
    monkeypatch: pytest.MonkeyPatch,
    timeout_s: float,
    most_s: float,
) -> None:
    totals: list[float] = []
    send = Transport.send

    def seen(transport: Transport, request: HttpRequest, limits: AnswerLimits) -> object:
        totals.append(limits.total_s)
        return send(transport, request, limits)

    monkeypatch.setattr(Transport, "send", seen)
    vendor.on(BY_ID, json_reply({"id": JOB}))
    gate_with(timeout_s=timeout_s, timeout_total_s=1800.0).delete_job(job_permit())
    assert totals == [most_s]


def test_a_leap_of_the_wall_clock_alone_makes_a_permit_old(
    vendor: Vendor, connection: Connection
) -> None:
    leapt_s = 0.0
    clock = SystemClock(steady=lambda: 1000.0, wall=lambda: 2000 + leapt_s)
    permit = replace(job_permit(), asked_at=clock.monotonic())
    leapt_s = 40.0  # a paused virtual machine whose date was set right
    with (
        Gate(connection, RequestBudget.of(connection), clock=clock) as gate,
        pytest.raises(PermitError, match="ask Sauce Labs again"),
    ):
        gate.delete_job(permit)
    assert vendor.seen == []


def test_an_update_whose_body_would_leave_too_late_is_never_whole(
    vendor: Vendor, frozen: tuple[Gate, Frozen, SystemClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, budget, clock = frozen
    budget.at = ""
    end = GuardedConnection.endheaders

    def slow(connection: GuardedConnection, *args: Any, **options: Any) -> None:
        end(connection, *args, **options)
        budget.slept_s += 11

    monkeypatch.setattr(GuardedConnection, "endheaders", slow)
    vendor.on(JOB_PATH, json_reply({"id": JOB}))
    with pytest.raises(PermitError, match="ask Sauce Labs again"):
        gate.update(replace(update_permit(), asked_at=clock.monotonic()))
    assert [seen.body for seen in vendor.seen if seen.body] == []


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="Linux has it")
def test_the_kernel_gives_up_a_write_that_nobody_acknowledges(
    vendor: Vendor, gate: Gate, reader: SauceReader
) -> None:
    given_up_ms = {}
    for name, transport in (("gate", gate._transport), ("reader", reader._transport)):
        adapter = transport._session.get_adapter(vendor.url)
        pool = adapter.poolmanager.connection_from_url(vendor.url)  # type: ignore[attr-defined]  # HTTPAdapter's
        with closing(pool._new_conn()) as connection:
            connection.connect()
            given_up_ms[name] = connection.sock.getsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT
            )
    assert given_up_ms == {"gate": 10_000, "reader": 0}


def test_a_permit_is_good_for_one_request(vendor: Vendor, gate: Gate) -> None:
    vendor.on(BY_ID, reply(b"", 204))
    permit = job_permit()
    gate.delete_job(permit)
    with pytest.raises(PermitError, match="used before"):
        gate.delete_job(permit)
    assert len(vendor.seen) == 1


def test_a_permit_for_one_thing_is_none_for_another(vendor: Vendor, gate: Gate) -> None:
    with pytest.raises(PermitError):
        gate.delete_job(assets_permit())  # type: ignore[arg-type]
    with pytest.raises(PermitError):
        gate.delete_assets(job_permit())  # type: ignore[arg-type]
    with pytest.raises(PermitError):
        gate.stop(job_permit())  # type: ignore[arg-type]
    assert vendor.seen == []


@pytest.mark.parametrize("proof", [None, "yes", Receipt(""), Receipt("f" * 63), True])
def test_a_permit_without_proof_sends_nothing(vendor: Vendor, gate: Gate, proof: object) -> None:
    with pytest.raises(PermitError, match="no proof"):
        gate.delete_assets(assets_permit(proof=proof))  # type: ignore[arg-type]
    assert vendor.seen == []


@pytest.mark.parametrize(
    "job",
    ["", ".", "..", "jobs", "A" * 32, "a" * 31, "a" * 32 + "/", "a" * 32 + "\n", "a" * 30 + "%20"],
)
def test_a_forged_id_reaches_no_socket(vendor: Vendor, gate: Gate, job: str) -> None:
    with pytest.raises(ValueError, match="not a job id"):
        gate.delete_job(job_permit(job=job))
    with pytest.raises(ValueError, match="not a job id"):
        gate.delete_assets(assets_permit(job=job))
    assert vendor.seen == []


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("DELETE", "/rest/v1.1/jsmith/jobs"),
        ("DELETE", "/rest/v1/jsmith/jobs"),
        ("DELETE", "/rest/v1/jsmith/jobs/"),
        ("DELETE", f"{BY_ID}/"),
        ("DELETE", f"{BY_ID}?x=1"),
        ("DELETE", f"/rest/v1/../jobs/{JOB}"),
        ("DELETE", f"/rest/v1/a%2Fb/jobs/{JOB}"),
        ("DELETE", f"/rest/v1/a/b/jobs/{JOB}"),
        ("POST", BY_ID),
        ("PATCH", BY_ID),
        ("PUT", BY_ID),
        ("DELETE", f"/rest/v1/jsmith/jobs/{JOB}/stop"),
        ("GET", BY_ID),
    ],
)
def test_even_an_armed_gate_writes_only_the_allowed_lines(
    vendor: Vendor, gate: Gate, method: str, target: str
) -> None:
    gate._here.armed = _Armed(f"{method} {target}", CLOCK.monotonic())
    with pytest.raises((PermitError, AnswerError), match=r"not sent|cannot be requested"):
        gate._transport.send(
            HttpRequest(method, target, "delete_job", "x"), gate._transport.answer_limits()
        )
    assert vendor.seen == []


def test_a_permit_for_one_job_opens_the_gate_for_no_other(vendor: Vendor, gate: Gate) -> None:
    gate._here.armed = _Armed(f"DELETE {BY_ID}", CLOCK.monotonic())
    other = f"/rest/v1.1/jobs/{'cd' * 16}"
    with pytest.raises(PermitError, match="no permit covers"):
        gate._transport.send(
            HttpRequest("DELETE", other, "delete_job", "x"), gate._transport.answer_limits()
        )
    assert vendor.seen == []


def test_a_library_that_sends_a_write_again_meets_a_closed_gate(vendor: Vendor, gate: Gate) -> None:
    gate._here.armed = _Armed(f"DELETE {BY_ID}", CLOCK.monotonic())
    gate._guard("DELETE", BY_ID, None)
    with pytest.raises(PermitError, match="no permit covers"):
        gate._guard("DELETE", BY_ID, None)


def test_an_allowed_line_without_a_permit_reaches_no_socket(vendor: Vendor, gate: Gate) -> None:
    with pytest.raises(PermitError, match="no permit covers"):
        gate._transport.send(
            HttpRequest("DELETE", BY_ID, "delete_job", "x"), gate._transport.answer_limits()
        )
    assert vendor.seen == []


def test_another_threads_permit_does_not_open_the_gate(vendor: Vendor, gate: Gate) -> None:
    gate._here.armed = _Armed(f"DELETE {BY_ID}", CLOCK.monotonic())
    errors: list[BaseException] = []

    def other() -> None:
        try:
            gate._transport.send(
                HttpRequest("DELETE", BY_ID, "delete_job", "x"), gate._transport.answer_limits()
            )
        except PermitError as error:
            errors.append(error)

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert len(errors) == 1
    assert vendor.seen == []


def test_nothing_leaves_once_asked_to_stop_or_out_of_budget(
    vendor: Vendor, gate_with: Callable[..., Gate]
) -> None:
    stop = threading.Event()
    stop.set()
    with pytest.raises(StoppedError):
        gate_with(stop=stop).delete_job(job_permit())
    poor = gate_with(per_hour=1)
    vendor.on(BY_ID, reply(b"", 204))
    poor.delete_job(job_permit())
    with pytest.raises(BudgetSpentError):
        poor.delete_job(job_permit())
    assert len(vendor.seen) == 1


def test_a_write_that_has_left_is_still_answered_after_a_stop(
    vendor: Vendor, gate_with: Callable[..., Gate]
) -> None:
    stop = threading.Event()
    vendor.on(BY_ID, reply(b"", 204))
    gate = gate_with(stop=stop)
    inner = gate._transport._edge.guard

    def stop_meanwhile(method: str, target: str, body: object) -> None:
        inner(method, target, body)
        stop.set()

    gate._transport._edge.guard = stop_meanwhile
    assert gate.delete_job(job_permit()).status == 204


@pytest.mark.parametrize("begun", [Reply(b"", "stall"), reply(b"[[", 200, length=99, then="stall")])
def test_a_stop_while_the_answer_is_waited_for_leaves_the_write_in_doubt(
    vendor: Vendor, gate_with: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch, begun: Reply
) -> None:
    stop = threading.Event()
    monkeypatch.setattr(gate_module, "_STOP_GRACE_S", 0.3)
    vendor.on(ASSETS, begun)
    gate = gate_with(stop=stop)
    inner = gate._transport._edge.guard

    def stop_meanwhile(method: str, target: str, body: object) -> None:
        inner(method, target, body)
        stop.set()

    gate._transport._edge.guard = stop_meanwhile
    answer = gate.delete_assets(assets_permit())
    assert (answer.doubtful, answer.deleted) == (True, None)


def test_each_write_is_told_of(vendor: Vendor, connection: Connection) -> None:
    events: list[RequestEvent] = []
    vendor.on(BY_ID, reply(b"", 204))
    with Gate(connection, RequestBudget.of(connection), events.append) as gate:
        gate.delete_job(job_permit())
    assert [(event.method, event.endpoint, event.code) for event in events] == [
        ("DELETE", "delete_job", 204)
    ]
