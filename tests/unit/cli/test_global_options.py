"""Options of the root are taken after a command, too; `--help` shows the commands by task."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from sauce_janitor import __version__
from sauce_janitor.cli.app import ALIASES, COMMANDS, Session, cli
from sauce_janitor.cli.global_options import accept_global
from sauce_janitor.cli.help_overview import TASKS


def leaves(
    command: click.Command, words: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if isinstance(command, click.Group):
        for name in COMMANDS if command is cli else command.list_commands(click.Context(command)):
            below = command.get_command(click.Context(command), name)
            assert below is not None
            yield from leaves(below, (*words, name))
    else:
        yield words, command


def test_the_help_names_the_commands_that_ask() -> None:
    asking = sorted(
        " ".join(words)
        for words, command in leaves(cli)
        if any("--yes" in option.opts and not option.hidden for option in command.params
               if isinstance(option, click.Option))
    )  # fmt: skip
    # Two ask only with an option.
    named = (cli.help or "").partition("is given: ")[2].partition(".")[0]
    found = [" ".join(word for word in each.split() if not word.startswith("--"))
             for each in " ".join(named.split()).split(", ")]  # fmt: skip
    assert found == asking


def test_every_command_takes_the_global_options() -> None:
    given = {"--config", "--log-format", "--log-level", "-v", "-q", "--no-color"}
    found = dict(leaves(cli))
    assert len(found) > 40
    for words, command in found.items():
        assert given <= {name for option in command.params for name in option.opts}, words


@pytest.mark.parametrize(
    "line",
    [
        ["--config", "FILE", "config", "show"],
        ["config", "--config", "FILE", "show"],
        ["config", "show", "--config", "FILE"],
        ["--config", "other.yaml", "config", "show", "--config", "FILE"],
    ],
    ids=" ".join,
)
def test_the_configuration_may_be_named_anywhere_and_the_last_counts(
    line: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("accounts: {somewhere: {region: eu}}\n")
    said = CliRunner().invoke(cli, [str(file) if word == "FILE" else word for word in line])
    assert said.exit_code == 0, said.output
    assert "somewhere" in said.output


def test_each_global_option_reaches_the_session_from_behind_the_command() -> None:
    @click.command()
    @click.pass_obj
    def probe(session: Session) -> None:
        click.echo(
            f"{session.config_path} {session.log_format} {session.log_level} {session.color}"
        )

    named = {"config_path", "log_format", "log_level", "no_color"}
    accept_global(
        probe,
        [each for each in cli.params if isinstance(each, click.Option) and each.name in named],
    )

    def seen(*words: str) -> str:
        return (
            CliRunner()
            .invoke(probe, words, obj=Session(Path("c"), None, None, None))
            .output.strip()
        )

    assert seen() == "c None None None"
    assert seen("--config", "d", "--log-format", "json", "-v", "--no-color") == "d json debug False"
    assert seen("-v", "-q") in {"c None warning None", "c None debug None"}
    assert seen("--quiet") == "c None warning None"
    assert seen("--log-level", "error") == "c None error None"
    assert "requires an argument" in seen("--log-level")


def test_the_version_is_an_option_too() -> None:
    said = CliRunner().invoke(cli, ["--version"])
    assert (said.exit_code, said.output) == (0, f"sauce-janitor {__version__}\n")


def test_help_has_every_command_by_task_and_whole_at_80_columns() -> None:
    named = [name for commands in TASKS.values() for name in commands]
    assert sorted(named) == sorted(set(COMMANDS) - set(ALIASES))
    text = CliRunner().invoke(cli, ["--help"], terminal_width=80).output
    lines = text.splitlines()
    for commands in TASKS.values():
        for name, what in commands.items():
            assert f"  {name:<10}  {what}" in lines
    assert max(map(len, lines)) <= 80
    assert "..." not in text.replace("[ARGS]...", "")


@pytest.mark.parametrize("group", ["archive", "hold", "insights", "config"])
def test_help_of_a_group_cuts_nothing(group: str) -> None:
    text = CliRunner().invoke(cli, [group, "--help"], terminal_width=80).output
    assert "..." not in text.replace("[ARGS]...", "")
