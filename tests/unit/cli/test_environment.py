"""What the environment may set: less to do, never more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sauce_janitor.cli.app import COMMANDS, cli
from tests.support.command_tree import CHANGING

# Every option that makes something happen, or lifts a brake. One that is new here or below has to
# be judged.
ACTS = {
    "accept-loss",
    "add",
    "archive",
    "backed-up",
    "build",
    "bulk",
    "by",
    "clear",
    "confirm",
    "custom-data",
    "custom-data-json",
    "execute",
    "force",
    "from",
    "lift",
    "max-jobs",
    "name",
    "passed",
    "password-file",
    "public",
    "reason",
    "remove",
    "remove-custom-data",
    "retry-now",
    "role",
    "set",
    "tag",
    "to",
    "until",
    "withdraw",
    "yes",
}
ACTS_BESIDE = {"assets": {"delete", "yes"}}


def options(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Option]]:
    context = click.Context(command)
    if isinstance(command, click.Group):
        names = COMMANDS if command is cli else command.list_commands(context)
        for name in names:
            below = command.get_command(context, name)
            assert below is not None
            yield from options(below, f"{path} {name}".strip())
    for parameter in command.params:
        # the root's options, which every command takes, have the root's variables
        if isinstance(parameter, click.Option) and path and parameter.expose_value:
            yield path, parameter


def test_no_option_that_makes_something_happen_is_taken_from_the_environment() -> None:
    seen = set()
    for path, option in options(cli):
        flag = option.opts[-1].removeprefix("--")
        assert option.envvar is None, f"{path} --{flag} names a variable of its own"
        acts = (
            flag in ACTS
            if path in CHANGING
            else flag in {"accept-loss", "force", *ACTS_BESIDE.get(path, ())}
        )
        assert option.allow_from_autoenv is not acts, f"{path} --{flag}"
        seen.add((path, flag))
    for known in (
        ("run", "execute"),
        ("serve", "execute"),
        ("offboard", "confirm"),
        ("assets", "delete"),
        ("archive prune", "yes"),
    ):
        assert known in seen


def test_a_dry_run_can_always_be_asked_for_by_the_environment() -> None:
    found = [option for _, option in options(cli) if option.name == "dry_run"]
    assert len(found) > 8
    assert all(option.allow_from_autoenv for option in found)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("SAUCE_JANITOR_RUN_EXECUTE", ["run", "--offline"]),
        ("SAUCE_JANITOR_PLAN_ACCEPT_LOSS", ["plan", "--offline"]),
        ("SAUCE_JANITOR_ARCHIVE_PRUNE_YES", ["archive", "prune", "-n"]),
    ],
)
def test_a_variable_that_would_act_is_ignored_and_named(
    tmp_path: Path, variable: str, words: list[str]
) -> None:
    said = CliRunner(env={variable: "1"}).invoke(
        cli, ["--config", str(tmp_path / "none.yaml"), *words]
    )
    assert f"{variable} is ignored" in said.stderr
    assert "use --" in said.stderr
