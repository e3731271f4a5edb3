"""The compose file and the systemd units are what their programs take, ship in dry run, and give
the program its time.
"""

from __future__ import annotations

import configparser
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from sauce_janitor import __version__
from tests.support.containers import TOP
from tests.support.processes import ENVIRONMENT, PROGRAM

COMPOSE = TOP / "deploy/compose.yaml"
UNITS = sorted((TOP / "deploy/systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
SETTINGS = {
    "SAUCE_USERNAME": "demo",
    "SAUCE_ACCESS_KEY": "key",
    "WEB_TOKEN": "token",
    "GRAFANA_PASSWORD": "word",
}
MOST_EXPOSED = 1.5
"""Of systemd-analyze's scale, on which 10 is a service that may do anything."""


# --- compose --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def composed(component: Callable[[str], Path]) -> Callable[..., dict[str, Any]]:
    """What docker-compose makes of the file."""
    program = component("docker-compose")

    def compose(**more: str) -> dict[str, Any]:
        done = subprocess.run(
            [program, "-f", COMPOSE, "config"],
            env={"PATH": os.environ["PATH"], **SETTINGS, **more},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        found: dict[str, Any] = yaml.safe_load(done.stdout)["services"]
        return found

    return compose


def test_compose_takes_the_file_and_wants_every_secret(
    component: Callable[[str], Path], composed: Callable[..., dict[str, Any]]
) -> None:
    assert set(composed()) == {"sauce-janitor", "prometheus", "grafana"}
    for name in SETTINGS:
        others = {key: value for key, value in SETTINGS.items() if key != name}
        done = subprocess.run(
            [component("docker-compose"), "-f", COMPOSE, "config"],
            env={"PATH": os.environ["PATH"], **others}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode != 0, name


def test_compose_ships_in_dry_run_as_tight_as_the_cluster_and_for_this_machine_only(
    composed: Callable[..., dict[str, Any]],
) -> None:
    services = composed()
    ours = services["sauce-janitor"]
    assert ours["command"] == ["serve", "--dry-run"]
    assert composed(EXECUTE="--execute")["sauce-janitor"]["command"] == ["serve", "--execute"]
    assert ours["image"] == f"sauce-janitor:{__version__}"
    assert (ours["user"], ours["read_only"], ours["stop_grace_period"]) == (
        "10001:10001",
        True,
        "45s",
    )
    for service in services.values():
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        for port in service["ports"]:
            assert str(port if isinstance(port, str) else port["host_ip"]).startswith(
                "127.0.0.1"
            ), port


def test_every_file_that_compose_mounts_is_there(composed: Callable[..., dict[str, Any]]) -> None:
    mounted = [
        str(volume if isinstance(volume, str) else volume["source"]).partition(":")[0]
        for service in composed().values()
        for volume in service["volumes"]
    ]
    files = [Path(each) for each in mounted if each.startswith("/")]
    assert len(files) == 6
    for file in files:
        assert file.exists(), file


def test_the_configuration_of_compose_is_valid() -> None:
    done = subprocess.run(
        [*PROGRAM, "--config", str(TOP / "deploy/compose/config/config.yaml"), "check"],
        env={**ENVIRONMENT, **SETTINGS}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_prometheus_takes_its_configuration_with_the_alerts_beside_it(
    component: Callable[[str], Path], tmp_path: Path
) -> None:
    for source in ("deploy/compose/prometheus.yml", "deploy/prometheus/alerts.yaml"):
        (tmp_path / Path(source).name).write_text((TOP / source).read_text())
    done = subprocess.run(
        [component("promtool"), "check", "config", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "rules found" in done.stdout


# --- systemd --------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit_without_a_word(
    component: Callable[[str], Path], unit: Path, tmp_path: Path
) -> None:
    program = Path(sys.executable).with_name("sauce-janitor")
    for each in UNITS:
        (tmp_path / each.name).write_text(
            each.read_text().replace("/opt/sauce-janitor/bin/sauce-janitor", str(program))
        )
    done = subprocess.run(
        [component("systemd-analyze"), "verify", "--man=no", tmp_path / unit.name],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        0,
        "",
        "",
    )  # an unknown key is a warning only, and ends with 0


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_service_is_let_do_little(component: Callable[[str], Path], unit: Path) -> None:
    done = subprocess.run(
        [component("systemd-analyze"), "security", "--offline=true", "--no-pager", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    score = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert score is not None, done.stdout + done.stderr
    assert float(score[1]) <= MOST_EXPOSED


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_the_service_ships_in_dry_run_and_is_given_the_time_to_finish(unit: Path) -> None:
    settings = configparser.ConfigParser(strict=False, interpolation=None)
    settings.optionxform = str  # type: ignore[assignment,method-assign]  # keys as they are written
    settings.read_string(unit.read_text())
    command = settings["Service"]["ExecStart"].split()
    assert command[1:] == (["run"] if unit.stem.endswith("-run") else ["serve"])
    assert int(settings["Service"]["TimeoutStopSec"].removesuffix("s")) > 40
