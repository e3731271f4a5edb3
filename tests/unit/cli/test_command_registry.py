"""Every command goes through all uses: overview, help, pages, environment, JSON and hostile text.

A new command is a row of `COMMANDS` in cli/app.py, or one of a group. What else it needs, these
tests name. What each command prints is judged by tests/integration/test_json_outputs.py and
tests/integration/operations/test_hostile_text.py, which walk the same tree.
"""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import click

from sauce_janitor import errors
from sauce_janitor.cli.app import ALIASES, COMMANDS, cli
from sauce_janitor.cli.help_overview import TASKS
from sauce_janitor.model.jobs import JobId
from tests.support.command_tree import (
    CHANGING,
    READING,
    SERVES,
    calls,
    commands,
    formats,
    options,
    own_options,
)

TOP = Path(__file__).parents[3]
REFERENCE = TOP / "docs" / "reference"
PAGE = (REFERENCE / "commands.md").read_text(encoding="utf-8")
PAGES = "".join(
    (REFERENCE / f"{name}.md").read_text() for name in ("commands", "archive", "sandbox")
)
OUTPUTS = {path.name for path in (TOP / "tests" / "data" / "output").iterdir()}
OF_ALL = {"--account", "--policy", "--format", "--dry-run", "--yes"}
"""Options that the page explains once for all commands."""
ELSEWHERE = ("archive ", "insights ", "sandbox", "schema", "state ", "user ")
"""Commands of which the options stand in a section of their own, or in another page."""
ON_DEMAND = {"schema", "config show"}
"""Their JSON is the configuration's, guarded by tests/unit/config."""


def test_each_command_has_its_line_in_the_overview() -> None:
    listed = [name for task in TASKS.values() for name in task]
    assert sorted(listed) == sorted(COMMANDS.keys() - ALIASES.keys())
    assert {
        name for task in TASKS.values() for name, text in task.items() if len(text) > 64
    } == set()


def test_each_command_says_in_help_what_it_does_in_sentences() -> None:
    for name, command in commands():
        text = inspect.cleandoc(command.help or "")
        first = text.partition("\n\n")[0]
        assert re.match(r"[A-Z].*\.$", first, re.DOTALL), f"{name}: {first!r}"


def test_each_command_has_its_row_on_the_page_and_each_row_its_command() -> None:
    rows = re.findall(r"^\| (`(?:[^|]|\\\|)*) \|", PAGE, re.MULTILINE)
    named = {word.split()[0] for row in rows for word in re.findall(r"`([a-z]+)[^`]*`", row)}
    assert named == set(COMMANDS)


def test_each_command_of_a_group_is_named_on_a_page() -> None:
    for name, _ in commands():
        group, _, own = name.rpartition(" ")
        # Either with the group, or alone in the row or section of the group.
        alone = re.search(rf"`{group} [A-Z]+`.*`{own}`", PAGES)
        assert re.search(rf"`{name}\b", PAGES) or alone, name


def test_each_option_of_each_command_is_named_on_a_page() -> None:
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", PAGES))
    assert [f"{name} {spelt}" for name, spelt in options(cli) if named.isdisjoint(spelt)] == []


def test_the_options_of_each_command_stand_on_its_line() -> None:
    block = PAGE.partition("without those of all commands (below):\n```\n")[2].partition("\n```")[0]
    listed: dict[str, set[str]] = {}
    name = ""
    for line in block.splitlines():
        name = line[:10].strip() or name
        listed.setdefault(name, set()).update(re.findall(r"--[a-z-]+", line))
    listed["run"] |= listed["plan"]
    shared = OF_ALL | {each for spelt in own_options(cli) for each in spelt}
    taken: dict[str, set[str]] = {}
    for command, spelt in options(cli):
        if command and not command.startswith(ELSEWHERE):
            own = {each for each in spelt if each.startswith("--")} - shared
            taken.setdefault(command, set()).update(own)
    assert listed == {command: own for command, own in taken.items() if own}


def test_the_exit_codes_on_the_page_are_those_of_the_errors_and_of_each_help() -> None:
    documented = {
        int(code)
        for line in re.findall(r"^\| ([0-9, ]+) \|", PAGE, re.MULTILINE)
        for code in line.split(",")
    }
    raised = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.JanitorError)
    }
    helps = " ".join(inspect.cleandoc(command.help or "") for _, command in commands())
    promised = set(map(int, re.findall(r"[Ee]xits?\s+with\s+(\d+)", helps)))
    assert len(promised) > 3
    assert raised | promised <= documented
    assert documented >= {0, 1, 2, 3, 4, 5, 6, 7, 130, 143}


def test_each_command_is_judged_by_what_the_environment_may_set() -> None:
    """tests/unit/cli/test_environment.py looks at the options of those that change something."""
    names = {name for name, _ in commands()}
    assert CHANGING.isdisjoint(READING)
    assert names == CHANGING | READING


def test_each_command_is_called_with_hostile_text() -> None:
    names = {name for name, _ in commands()} - SERVES
    assert calls(JobId("0" * 32), TOP, "text").keys() - ALIASES.keys() == names


def test_what_each_command_prints_for_programs_is_kept() -> None:
    """tests/integration/test_json_outputs.py compares these files with what is printed now."""
    missing = []
    for name, command in commands():
        for form in {"json", "csv"} & set(formats(command)):
            kept = re.compile(rf"{name.replace(' ', '-')}(-[a-z-]+)?\.{form}")
            if name not in ON_DEMAND and not any(map(kept.fullmatch, OUTPUTS)):
                missing.append(f"{name} --format {form}")
    assert missing == []


def test_an_alias_is_the_same_command() -> None:
    for alias, name in ALIASES.items():
        context = click.Context(cli)
        assert cli.get_command(context, alias) is cli.get_command(context, name)


def test_an_option_that_commands_share_is_written_once() -> None:
    """tests/unit/cli/test_options.py says what the shared ones in cli/options.py accept."""
    places: dict[str, list[str]] = {}
    for path in sorted((TOP / "sauce_janitor" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "click.option":
                places.setdefault(ast.unparse(node), []).append(f"{path.name}:{node.lineno}")
    assert {option: found for option, found in places.items() if len(found) > 1} == {}
