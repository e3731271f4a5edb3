"""The image does its work as nobody in particular: read-only, without capabilities, without a
shell, as any user.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor import __version__
from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.core.request_log import LoggedRequest
from sauce_janitor.state import State
from tests.support.containers import HARDENED, IMAGE, SOMEBODY, TOP, Engine
from tests.support.ports import free_port, until_answers
from tests.support.processes import POLICIES

LARGEST_OWN_LAYERS = 125_000_000
"""Bytes that we add to the base image: Python's packages, most of them, and their bytecode."""


@dataclass
class Site:
    """A sandbox on the host, and the folders that are mounted into the container."""

    sandbox: Sandbox
    data: Path
    config: Path
    engine: Engine
    interrupt: Callable[[LoggedRequest], None] = field(default=lambda _entry: None)

    def options(self) -> tuple[str, ...]:
        """What `podman run` is given before the image's name."""
        return (
            *HARDENED,
            "--network",
            "host",
            "--env",
            "SAUCE_USERNAME=demo",
            "--env",
            "SAUCE_ACCESS_KEY=demo-key",
            "--volume",
            f"{self.data}:/var/lib/sauce-janitor",
            "--volume",
            f"{self.config}:/etc/sauce-janitor:ro",
        )

    def run(self, *arguments: str, code: int = 0) -> str:
        """`sauce-janitor ARGUMENTS…` in a container, to its end."""
        return self.engine("run", "--rm", *self.options(), IMAGE, *arguments, code=code)

    def configure(self, more: str = "") -> None:
        """Write the configuration."""
        text = POLICIES.replace("BASE_URL", self.sandbox.base_url)
        text = text.replace("./archive", "/var/lib/sauce-janitor/archive")
        text = text.replace("./state.db", "/var/lib/sauce-janitor/state.db")
        (self.config / "config.yaml").write_text(text + more)


@pytest.fixture
def site(tmp_path: Path, engine: Engine) -> Iterator[Site]:
    """A place to run the image at."""
    tmp_path.chmod(0o755)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    data, config = tmp_path / "data", tmp_path / "config"
    data.mkdir(mode=0o700)
    os.chown(data, SOMEBODY, 0)
    config.mkdir(mode=0o755)
    with Sandbox(SandboxOptions(jobs=120)) as sandbox, pytest.MonkeyPatch.context() as patch:
        made = Site(sandbox, data, config, engine)
        add = sandbox.log.add

        def watched(entry: LoggedRequest) -> None:
            add(entry)
            made.interrupt(entry)

        patch.setattr(sandbox.log, "add", watched)
        made.configure()
        yield made


# --- what it is -----------------------------------------------------------------------------------


def test_the_dockerfile_has_nothing_to_lint() -> None:
    done = subprocess.run(
        [str(TOP / ".venv/bin/hadolint"), "--failure-threshold", "style", str(TOP / "Dockerfile")],
        text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")


@pytest.fixture
def facts(engine: Engine) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(engine("image", "inspect", IMAGE))[0]
    return found


def test_the_image_is_not_root_s_and_needs_no_shell(facts: dict[str, Any]) -> None:
    user, group = facts["User"].split(":")
    assert int(user) > 0
    assert int(group) > 0
    assert facts["Config"]["Entrypoint"] == ["sauce-janitor"]
    assert facts["Config"]["Cmd"] == ["serve"], "a dry run unless somebody adds --execute"
    assert facts["Healthcheck"]["Test"][0] == "CMD"


def test_the_image_says_what_it_is(facts: dict[str, Any], engine: Engine) -> None:
    labels = facts["Config"]["Labels"]
    for name in ("title", "description", "source", "documentation", "licenses", "revision"):
        assert labels[f"org.opencontainers.image.{name}"], name
    assert labels["org.opencontainers.image.version"] == __version__
    assert (
        engine("run", "--rm", "--network", "none", *HARDENED, IMAGE, "version").strip()
        == f"sauce-janitor {__version__}"
    )


def test_the_image_is_small(facts: dict[str, Any], engine: Engine) -> None:
    (base,) = json.loads(engine("image", "inspect", "docker.io/library/python:3.13-slim-trixie"))
    assert facts["Size"] - base["Size"] < LARGEST_OWN_LAYERS


def test_nothing_but_what_it_needs_is_in_the_image(engine: Engine) -> None:
    say = (
        "import importlib.util, os; print(os.path.lexists('/src'), os.listdir('/opt'),"
        " importlib.util.find_spec('pip'))"
    )
    said = engine("run", "--rm", "--network", "none", "--entrypoint", "python", IMAGE, "-c", say)
    assert said.strip() == "False ['sauce-janitor'] None"


def test_no_secret_state_or_archive_that_lies_about_is_sent_to_a_build() -> None:
    first, *rest = [
        line
        for line in (TOP / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert first == "*"
    copied = {line.removeprefix("!") for line in rest if line.startswith("!")}
    assert copied == {
        "requirements/build.txt",
        "requirements/run.txt",
        "requirements/cluster.txt",
        "pyproject.toml",
        "README.md",
        "LICENSE",
        "sauce_janitor",
    }


def test_the_folder_for_the_data_may_be_written_by_group_0_as_well(engine: Engine) -> None:
    say = (
        "import os; s = os.stat('.'); print(os.getcwd(), oct(s.st_mode & 0o777), s.st_uid,"
        " s.st_gid, os.access('.', os.W_OK))"
    )
    for user in ("10001:10001", f"{SOMEBODY}:0"):
        said = engine(
            "run",
            "--rm",
            "--network",
            "none",
            "--user",
            user,
            "--entrypoint",
            "python",
            IMAGE,
            "-c",
            say,
        )
        assert said.split() == ["/var/lib/sauce-janitor", "0o770", "10001", "0", "True"]


# --- what it does ---------------------------------------------------------------------------------


def test_a_configuration_is_checked_without_a_network_and_without_a_shell(site: Site) -> None:
    no_shell = [
        option
        for shell in ("/usr/bin/dash", "/usr/bin/bash")
        for option in ("--volume", f"/dev/null:{shell}:ro")
    ]
    site.engine("run", "--rm", "--entrypoint", "sh", *no_shell, IMAGE, "-c", "exit 0", code=127)
    options = [each if each != "host" else "none" for each in site.options()]
    said = site.engine("run", "--rm", *options, *no_shell, IMAGE, "check")
    assert "/etc/sauce-janitor/config.yaml: valid" in said


def test_a_dry_run_as_any_user_changes_nothing_and_needs_no_writable_file_but_the_state(
    site: Site,
) -> None:
    said = site.run("run")
    assert "Plan: " in said
    assert site.sandbox.log.writes() == []
    assert {each.name.partition("-")[0] for each in site.data.iterdir()} <= {
        "state.db",
        "archive",
        "state.db.budget",
    }
    assert all(each.stat().st_uid == SOMEBODY for each in site.data.iterdir())


def stopped_while_archiving(site: Site, *command: str) -> int:
    """Start the command, send SIGTERM while an asset is under way, whatever the machine's speed,
    and say how it ended.
    """
    once, started = threading.Lock(), threading.Event()

    def interrupt(entry: LoggedRequest) -> None:
        # the answer to this request waits until the signal is sent
        if (
            "/assets/" in entry.path
            and entry.method == "GET"
            and started.wait(60)
            and once.acquire(blocking=False)
        ):
            site.engine("kill", "--signal", "TERM", name)

    site.interrupt = interrupt
    name = site.engine.start(*site.options(), IMAGE, *command)
    started.set()
    code = int(site.engine("wait", name, timeout=150))
    assert once.locked(), site.engine("logs", name)
    site.interrupt = lambda _entry: None
    return code


@pytest.mark.parametrize(
    ("command", "code"),
    [(("run", "--execute"), 128 + signal.SIGTERM), (("serve", "--execute"), 0)],
    ids=["run", "serve"],
)
def test_told_to_stop_in_the_middle_of_archiving_it_leaves_a_clean_state_and_the_next_run_finishes(
    site: Site, command: tuple[str, ...], code: int
) -> None:
    site.configure(
        f"schedule: {{cron: '* * * * *', jitter: 0s}}\nweb: {{listen: '127.0.0.1:{free_port()}'}}\n"
    )
    assert stopped_while_archiving(site, *command) == code
    with State.open(site.data / "state.db") as state:
        state.check_integrity()
        assert state.journal.verify() > 0
    assert list((site.data / "archive" / ".partial").rglob("*.json")) == []
    site.run("run", "--execute")
    with State.open(site.data / "state.db") as state:
        assert state.journal.unresolved("box") == ()
    assert "Plan: 0 jobs to archive, assets of 0 jobs to delete, 0 jobs to delete" in site.run(
        "run"
    )
    site.run("archive", "verify")
    site.run("prove")


def test_the_health_check_is_healthy_while_the_daemon_answers_and_only_then(
    site: Site, engine: Engine
) -> None:
    port = free_port()
    site.configure(f"schedule: {{cron: '0 0 1 1 *'}}\nweb: {{listen: '127.0.0.1:{port}'}}\n")
    serving = engine.start(*site.options(), "--env", f"HEALTH_PORT={port}", IMAGE)
    assert until_answers(f"http://127.0.0.1:{port}/readyz") == 200
    engine("healthcheck", "run", serving)
    assert "dry_run" in engine("logs", serving)
    deaf = engine.start(
        *HARDENED,
        "--network",
        "none",
        "--env",
        f"HEALTH_PORT={port}",
        IMAGE,
        "sandbox",
        "--jobs",
        "1",
    )
    engine("healthcheck", "run", deaf, code=1)
    engine("stop", "--time", "45", serving)
    assert json.loads(engine("inspect", serving))[0]["State"]["ExitCode"] == 0
