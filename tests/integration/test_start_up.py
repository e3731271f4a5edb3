"""What the commands import. Each runs in an interpreter of its own: this one has imported
everything already.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sauce_janitor.cli.app import COMMANDS

NETWORK_AND_STATE = {
    "requests",
    "urllib3",
    "sqlalchemy",
    "alembic",
    "apscheduler",
    "rich",
    "structlog",
    "prometheus_client",
}
CLIENT_AND_WEB = {"requests", "urllib3", "prometheus_client", "flask", "waitress", "apscheduler"}
OF_RUNS = {
    "filelock",
    "rich.progress",
    "sauce_janitor.archive.store",
    "sauce_janitor.config.policy_tests",
    "sauce_janitor.execute.events",
    "sauce_janitor.execute.executor",
    "sauce_janitor.inventory",
    "sauce_janitor.operations.wiring.run_settings",
    "sauce_janitor.retention.plan",
    "pyrate_limiter",
    "sqlalchemy.dialects.postgresql",
}
"""What runs and their plans need, and commands that only read do not."""
UNUSED = {
    "hold list": {"rich", "sauce_janitor.retention.decide"},
    "status": {"rich", "multiprocessing", "sauce_janitor.retention.decide"},
    "explain JOB": set(),
    "archive list": {"sauce_janitor.retention.decide"},
}
"""What a command that only reads does not use, of what others of them do."""
HEAVY = NETWORK_AND_STATE | {"pydantic", "yaml", "re2"}
CONFIG = """
version: 1
accounts: {us: {region: us-west-1, username: {env: SAUCE_USERNAME}, access_key: {env: SAUCE_ACCESS_KEY}}}
archive: {path: ./archive}
state: {path: ./state.db}
policies: [{name: old, match: all, then: {archive: none, delete_assets: 10d}}]
"""


def modules_after(folder: Path, *commands: list[str]) -> set[str]:
    """Return the modules that are loaded once these commands have ended well, one after the other,
    in one process.
    """
    code = f"""
import sys
from sauce_janitor.__main__ import main
for arguments in {commands!r}:
    try:
        main(arguments)
    except SystemExit as ended:
        assert not ended.code, (arguments, ended.code)
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.splitlines()[-1].split())


def test_no_help_loads_a_heavy_library(tmp_path: Path) -> None:
    asked = [["--help"], ["version"], *([name, "--help"] for name in COMMANDS)]
    assert modules_after(tmp_path, *asked) & HEAVY == set()


@pytest.fixture(scope="module")
def after_a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a demo: a state and an archive with jobs."""
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "sauce_janitor", "demo", "--jobs", "40"]
    subprocess.run(command, capture_output=True, check=True, cwd=folder)
    return folder / "sauce-janitor-demo"


@pytest.mark.parametrize("command", UNUSED)
def test_reading_the_state_loads_what_the_command_uses(after_a_run: Path, command: str) -> None:
    """Neither the HTTP client nor the web stack, the metrics, or what runs need."""
    job_id = next((after_a_run / "archive").rglob("receipt.json")).parent.name
    loaded = modules_after(after_a_run, command.replace("JOB", job_id).split())
    assert {"sqlalchemy", "pydantic"} <= loaded
    assert loaded & (CLIENT_AND_WEB | OF_RUNS | UNUSED[command]) == set()


def test_a_simulation_loads_neither_the_http_client_nor_the_web_stack_nor_the_metrics(
    after_a_run: Path,
) -> None:
    assert modules_after(after_a_run, ["simulate"]) & CLIENT_AND_WEB == set()


def test_the_tables_load_the_dialect_of_sqlite_alone(tmp_path: Path) -> None:
    """To import PostgreSQL's takes longer than to read a small state."""
    code = "import sys, sauce_janitor.state; print('sqlalchemy.dialects.postgresql' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("command", [["check"], ["schema"]], ids=lambda command: str(command[0]))
def test_looking_at_a_configuration_loads_neither_the_client_nor_the_state(
    tmp_path: Path, command: list[str]
) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    loaded = modules_after(tmp_path, command)
    assert "pydantic" in loaded
    assert loaded & NETWORK_AND_STATE == set()


def test_a_part_of_the_grammar_is_not_built_on_its_own() -> None:
    """The validator of the whole file includes the parts."""
    code = """
from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.grammar.scalars import Grammar
models = Grammar.__subclasses__()
assert len(models) > 30
print(*(model.__name__ for model in models if model.__pydantic_complete__))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def garbage_after(folder: Path, *arguments: str) -> tuple[str, str]:
    """Return, for the end of a command, how many new objects let Python look for garbage, and
    whether it no longer looks at the old ones.
    """
    code = f"""
import atexit, gc
# Registered first, so called last.
atexit.register(lambda: print(gc.get_threshold()[0], gc.get_freeze_count() > 1000))
from sauce_janitor.__main__ import main
main({arguments!r})
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    threshold, frozen = done.stdout.splitlines()[-1].split()
    return threshold, frozen


def test_garbage_is_looked_for_less_often_and_never_at_the_end(tmp_path: Path) -> None:
    """Both took a quarter of a short command's time."""
    assert garbage_after(tmp_path, "completion", "bash") == ("200000", "True")


@pytest.mark.parametrize("command", ["plan --offline", "serve", "sandbox --rate never"])
def test_a_command_that_may_run_for_hours_looks_for_garbage_often(
    tmp_path: Path, command: str
) -> None:
    """Also where it ends with an error: without a configuration, or with an option that is none."""
    assert garbage_after(tmp_path, *command.split())[0] == "10000"
