"""Faults strike what they select, as often as they are told, and the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.sandbox.core.messages import SandboxRequest
from sauce_janitor.sandbox.injected_faults import ArmedFaults, Fault, read_faults


def request(method: str = "GET", target: str = "/rest/v1/demo/jobs?limit=5") -> SandboxRequest:
    return SandboxRequest(
        method, target, target.partition("?")[0], {}, {}, b"", None, "http://127.0.0.1:1"
    )


def strikes(fault: Fault, count: int, *, seed: int = 1) -> list[bool]:
    faults = ArmedFaults(seed, (fault,))
    return [bool(faults.striking(request(), "jobs.list", "")) for _ in range(count)]


def test_a_fault_strikes_every_request_unless_told_otherwise() -> None:
    assert strikes(Fault("status"), 3) == [True] * 3


def test_a_fault_can_spare_the_first_and_strike_only_so_often() -> None:
    assert strikes(Fault("status", after=2, every=2, times=2), 8) == [
        False,
        False,
        True,
        False,
        True,
        *[False] * 3,
    ]


def test_chance_depends_on_the_seed_alone() -> None:
    drawn = strikes(Fault("status", chance=0.5), 200)

    assert drawn == strikes(Fault("status", chance=0.5), 200)
    assert drawn != strikes(Fault("status", chance=0.5), 200, seed=2)
    assert 60 < sum(drawn) < 140
    assert not any(strikes(Fault("status", chance=0), 50))


@pytest.mark.parametrize(
    "selector",
    [
        {"endpoint": "job.*"},
        {"method": "DELETE"},
        {"path": "/v2/*"},
        {"job": "a*"},
        {"user": "alice"},
    ],
)
def test_a_fault_spares_what_it_does_not_select(selector: dict[str, str]) -> None:
    fault = Fault.parse({"fault": "status", **selector})

    assert not fault.selects(request(), "jobs.list", "")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("status", "a fault is a mapping"),
        ({"endpoint": "x"}, "a fault is a mapping"),
        ({"fault": "statuss"}, "no fault 'statuss'; there are: .*status"),
        ({"fault": "status", "code": 500}, "no setting 'code'; it has: status"),
        ({"fault": "status", "status": "500"}, "status cannot be '500'"),
        ({"fault": "status", "times": "2"}, "times is a whole number"),
        ({"fault": "status", "every": 0}, "every is a whole number"),
        ({"fault": "status", "chance": 2}, "chance is between 0 and 1"),
    ],
)
def test_a_fault_that_cannot_be_understood_is_refused(entry: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Fault.parse(entry)


def test_a_file_of_faults_is_read(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(
        "faults:\n- {fault: status, endpoint: jobs.list, status: 502, times: 1}\n- {fault: delay,"
        " seconds: 0.5}\n"
    )

    first, second = read_faults(path)

    assert (first.name, first.endpoint, first.times, first.settings) == (
        "status",
        "jobs.list",
        1,
        {"status": 502},
    )
    assert second.settings == {"seconds": 0.5}


@pytest.mark.parametrize("text", ["", "a: b", "[", "- 5", "- {fault: nope}"])
def test_a_file_that_cannot_be_understood_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"faults\.yaml"):
        read_faults(path)
