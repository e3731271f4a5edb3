"""The compose file with three workers: it is as tight as the other one, its secrets are those that
the guide makes, and its servers and configuration work with the real programs.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sauce_janitor import __version__
from sauce_janitor.sandbox import Sandbox
from tests.support.containers import TOP
from tests.support.pods import KEY
from tests.support.ports import free_port, until_answers
from tests.support.postgresql import Postgresql
from tests.support.processes import ENVIRONMENT, PROGRAM

COMPOSE = TOP / "deploy/compose/cluster.yaml"
CONFIG = TOP / "deploy/compose/cluster/config.yaml"
WORKERS = {"worker-1", "worker-2", "worker-3"}
OURS = {*WORKERS, "state-init"}

Services = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of secrets, as the guide makes it."""
    folder = tmp_path_factory.mktemp("cluster")
    page = (TOP / "docs/how-to/cluster.md").read_text()
    (text,) = re.findall(r"^```sh\n(mkdir -m 700 secrets.*?)^```$", page, re.MULTILINE | re.DOTALL)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder, env={**os.environ, "SAUCE_USERNAME": "demo", "SAUCE_ACCESS_KEY": KEY},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "secrets"


@pytest.fixture(scope="module")
def compose(component: Callable[[str], Path]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`docker-compose config` on the file."""
    program = component("docker-compose")

    def run(**settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, "-f", COMPOSE, "config"],
            env={"PATH": os.environ["PATH"], **settings},
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def whole(compose: Callable[..., subprocess.CompletedProcess[str]], secrets: Path) -> Services:
    """What docker-compose makes of the file."""
    done = compose(SECRETS=str(secrets))
    assert (done.returncode, done.stderr) == (0, "")
    found: Services = yaml.safe_load(done.stdout)
    return found


def test_it_wants_its_secrets_and_ships_in_dry_run(
    compose: Callable[..., subprocess.CompletedProcess[str]], whole: Services, secrets: Path
) -> None:
    done = compose()
    assert done.returncode != 0
    assert "export the folder of the secrets" in done.stderr
    executing = yaml.safe_load(compose(SECRETS=str(secrets), EXECUTE="--execute").stdout)
    for worker in WORKERS:
        assert whole["services"][worker]["command"] == ["serve", "--dry-run"]
        assert executing["services"][worker]["command"] == ["serve", "--execute"]


def test_the_workers_are_equal_but_for_the_port_on_this_machine(whole: Services) -> None:
    services = whole["services"]
    assert services.keys() == {*OURS, "postgresql", "seaweedfs"}
    published = [services[worker].pop("ports") for worker in sorted(WORKERS)]
    assert len({yaml.safe_dump(services[worker]) for worker in WORKERS}) == 1
    assert len({str(ports) for ports in published}) == len(WORKERS)
    for (port,) in published:
        assert str(port if isinstance(port, str) else port["host_ip"]).startswith("127.0.0.1")
    # Of the others none is published.
    assert not [name for name, service in services.items() if "ports" in service]


def test_each_container_is_as_tight_as_in_the_cluster(whole: Services) -> None:
    for name, service in whole["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["read_only"] is True, name
        assert not [
            value for key, value in service.get("environment", {}).items() if "FILE" not in key
            and any(word in key for word in ("PASSWORD", "SECRET", "KEY"))
        ], name  # fmt: skip
    for name in OURS:
        service = whole["services"][name]
        assert service["image"] == f"sauce-janitor:{__version__}-cluster"
        assert service["build"]["args"] == {"PACKAGES": "cluster"}
        assert service["user"] == "10001:10001"
    assert whole["services"]["worker-1"]["stop_grace_period"] == "45s"
    assert whole["networks"]["storage"]["internal"] is True


def test_the_guide_makes_every_secret_and_no_other(whole: Services, secrets: Path) -> None:
    assert {each["file"] for each in whole["secrets"].values()} == {
        str(file) for file in secrets.iterdir()
    }
    # A container's user must be able to read them, and nobody else on the host.
    assert secrets.stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o777 == 0o444 for file in secrets.iterdir())


# --- with the real programs -----------------------------------------------------------------------


@pytest.fixture
def seaweedfs(
    whole: Services, secrets: Path, component: Callable[[str], Path], tmp_path: Path
) -> Iterator[str]:
    """The S3 server, started as the file says but on ports of this test; its endpoint."""
    program = component("weed")
    service = whole["services"]["seaweedfs"]
    assert service["entrypoint"] == [program.name]
    (tmp_path / "data").mkdir()
    changed = {
        "-dir=/var/lib/seaweedfs": f"-dir={tmp_path / 'data'}",
        "-ip=seaweedfs": "-ip=127.0.0.1",
        "-ip.bind=0.0.0.0": "-ip.bind=127.0.0.1",
        "-s3.config=/run/secrets/s3-server.json": f"-s3.config={secrets / 's3-server.json'}",
    }
    assert changed.keys() <= set(service["command"])
    port = free_port()
    ports = {f"-{name}.port": free_port() for name in ("master", "volume", "filer", "admin")}
    # Else each gRPC port is the other one and 10,000, which may be taken, or no port at all.
    grpc = {f"{name}.grpc": free_port() for name in (*ports, "-s3.port")}
    process = subprocess.Popen(
        [
            program,
            *(changed.get(each, each) for each in service["command"]),
            f"-s3.port={port}",
            *(f"{name}={number}" for name, number in (ports | grpc).items()),
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        check = service["healthcheck"]["test"][-1].replace(":8333", f":{port}")
        assert until_answers(check) == 200
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def test_postgresql_is_asked_whether_it_is_ready_as_it_can_be(
    whole: Services, component: Callable[[str], Path], postgresql: Postgresql
) -> None:
    check = whole["services"]["postgresql"]["healthcheck"]["test"]
    environment = whole["services"]["postgresql"]["environment"]
    assert f"--username={environment['POSTGRES_USER']}" in check
    done = subprocess.run(
        [component(check[1]), *check[2:], f"--port={postgresql.port}"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_worker_archives_with_the_configuration_and_the_secrets_of_the_file(
    whole: Services, secrets: Path, seaweedfs: str, postgresql: Postgresql, sandbox: Sandbox,
    tmp_path: Path,
) -> None:  # fmt: skip
    (mounted,) = whole["services"]["worker-1"]["volumes"]
    assert str(mounted if isinstance(mounted, str) else mounted["source"]).startswith(
        str(CONFIG.parent)
    )
    text = CONFIG.read_text().replace("region: eu-central-1", f"base_url: {sandbox.base_url}")
    text = text.replace("http://seaweedfs:8333", seaweedfs).replace(
        "{archive: 24d}", "{archive: 0d}"
    )
    text = text.replace("{per_second: 2, per_hour: 1500}", "{per_second: 100, per_hour: 100000}")
    # The server of the tests asks for no password.
    (tmp_path / "state-url").write_text(postgresql.empty())
    text = text.replace("/run/secrets/state-url", str(tmp_path / "state-url"))
    config = tmp_path / "config.yaml"
    config.write_text(text.replace("/run/secrets", str(secrets)))

    def command(*arguments: str) -> str:
        done = subprocess.run(
            [*PROGRAM, "--config", str(config), *arguments],
            env=ENVIRONMENT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    command("check")
    command(*whole["services"]["state-init"]["command"])
    said = command("run", "--execute")
    assert re.search(r"Done: [1-9]\d* jobs archived", said), said
    command("prove")
