"""The commands about the configuration, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sauce_janitor.cli.app import cli
from sauce_janitor.config import load
from sauce_janitor.errors import ConfigError

TOP = Path(__file__).parents[3]
DEMO = {"SAUCE_USERNAME": "demo", "SAUCE_ACCESS_KEY": "demo-key"}


def sauce_janitor(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The program as a process, in a folder, with nothing of this process's environment but what is
    given.
    """
    return subprocess.run(
        [sys.executable, "-m", "sauce_janitor", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={"PYTHONPATH": str(TOP), "HOME": str(folder), "PATH": "/usr/bin:/bin", **environ},
        stdin=subprocess.DEVNULL,
    )


def run(*words: str) -> Result:
    """The command in this process; a ConfigError is left to the caller."""
    return CliRunner().invoke(cli, list(words), catch_exceptions=False)


def test_init_check_and_show_work_together_against_a_local_sandbox(tmp_path: Path) -> None:
    made = sauce_janitor(tmp_path, "init", "--base-url", "http://127.0.0.1:8123")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.splitlines()[0] == "Wrote config.yaml, and config.schema.json for editors"
    config = load(tmp_path / "config.yaml", environ=DEMO)
    assert config.accounts[0].base_url == "http://127.0.0.1:8123"
    assert config.archive.location == tmp_path / "archive"
    assert config.state == tmp_path / "state.db"
    name, key = config.accounts[0].credentials()
    assert (name, key.get_secret_value()) == ("demo", "demo-key")
    checked = sauce_janitor(tmp_path, "check", **DEMO)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.splitlines() == [
        "config.yaml: valid",
        (
            "sauce: demo at http://127.0.0.1:8123, its own jobs, 2 policies,"
            f" {config.policy_digest('sauce')}"
        ),
        "budget of sauce: no limit",
    ]
    shown = sauce_janitor(tmp_path, "config", "show")
    assert shown.returncode == 0
    assert f"path: {tmp_path}/archive" in shown.stdout


def test_init_leaves_the_schema_where_the_first_line_points(tmp_path: Path) -> None:
    sauce_janitor(tmp_path, "init", "--region", "eu", "--output", "janitor.yaml")
    first = (tmp_path / "janitor.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=./janitor.schema.json"
    assert (
        json.loads((tmp_path / "janitor.schema.json").read_text(encoding="utf-8"))["title"]
        == "sauce-janitor configuration"
    )


def test_init_never_overwrites(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("mine", encoding="utf-8")
    refused = sauce_janitor(tmp_path, "init", "--region", "eu")
    assert refused.returncode == 2
    assert (
        refused.stderr == "sauce-janitor: config.yaml exists already and was not changed: choose"
        " another file with --output\n"
    )
    assert (tmp_path / "config.yaml").read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "config.schema.json").exists()


def test_init_writes_nothing_that_would_not_validate(tmp_path: Path) -> None:
    refused = sauce_janitor(tmp_path, "init", "--region", "mars", "--timezone", "Mars/Olympus")
    assert refused.returncode == 2
    assert "accounts.sauce.region: `mars` is not a region" in refused.stderr
    assert "timezone: `Mars/Olympus` is not a time zone" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [["--region", "eu", "--base-url", "http://127.0.0.1:1"], ["--region", "a: b"]]
)
def test_init_refuses_flags_that_contradict_or_would_break_the_file(
    tmp_path: Path, words: list[str]
) -> None:
    assert sauce_janitor(tmp_path, "init", *words).returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_init_without_a_terminal_says_what_it_took(tmp_path: Path) -> None:
    made = sauce_janitor(tmp_path, "init")
    assert made.returncode == 0
    assert made.stderr == "no --region and no terminal to ask on: using us-west-1\n"
    assert load(tmp_path / "config.yaml", environ={}).accounts[0].region == "us-west-1"


def test_init_names_the_variables_it_was_given(tmp_path: Path) -> None:
    sauce_janitor(
        tmp_path,
        "init",
        "--region",
        "us",
        "--username-env",
        "WHO",
        "--account",
        "main",
        "--timezone",
        "Europe/Berlin",
    )
    config = load(tmp_path / "config.yaml", environ={"WHO": "ann", "SAUCE_ACCESS_KEY": "k"})
    assert config.accounts[0].credentials()[0] == "ann"
    assert (config.accounts[0].name, config.timezone) == ("main", "Europe/Berlin")


@pytest.mark.parametrize("command", ["check", "validate"])
def test_check_names_every_fault_and_ends_with_2(tmp_path: Path, command: str) -> None:
    (tmp_path / "config.yaml").write_text(
        "accounts: {eu: {region: eu}}\npolicies:\n"
        "  - {name: a, match: all, then: {archive: none, delete_job: 30m}}\nworker: 4\n",
        encoding="utf-8",
    )
    checked = sauce_janitor(tmp_path, command)
    assert (checked.returncode, checked.stdout) == (2, "")
    assert checked.stderr.splitlines() == [
        (
            "config.yaml:3: policies[0].then.delete_job: 30m is ambiguous: write 30min for minutes"
            " or 30mo for months"
        ),
        "config.yaml:4: worker: unknown key `worker`; did you mean `workers`?",
    ]


def test_check_warns_and_is_content(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "accounts: {eu: {region: eu, username: {env: NOBODY_SET_THIS}}}\npolicies:\n"
        "  - {name: a, match: all, then: {archive: 5d, delete_assets: 40d}}\n",
        encoding="utf-8",
    )
    purged = "40d: Sauce Labs purges assets after 30 days, so this deletes nothing"
    result = run("--config", str(path), "check")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[3:] == [
        f"warning: {path}:3: policies[0].then.delete_assets: {purged}",
        (
            f"warning: {path}:1: accounts.eu.username.env: the environment variable NOBODY_SET_THIS"
            " is not set"
        ),
    ]


def test_a_file_that_is_not_there_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="there is no such file: create it with `sauce-janitor init`"
    ):
        run("--config", str(tmp_path / "none.yaml"), "check")


def test_a_ten_megabyte_file_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"#" * (10 * 2**20))
    with pytest.raises(ConfigError, match="is larger than 256 KiB"):
        run("--config", str(tmp_path / "config.yaml"), "check")


def test_schema_prints_the_json_schema_and_the_reference() -> None:
    assert json.loads(run("schema").stdout)["$schema"].endswith("2020-12/schema")
    assert run("schema", "--format", "markdown").stdout.startswith("## The file")


def test_naming_the_commands_loads_no_pydantic_and_no_yaml() -> None:
    code = (
        "import sys, sauce_janitor.cli.setup.config; sys.exit(not {'pydantic', 'yaml',"
        " 're2'}.isdisjoint(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
