"""The pages tell the truth: commands that they show, links and the version of things they name."""

from __future__ import annotations

import itertools
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sauce_janitor.cli.app import cli
from sauce_janitor.cli.help_overview import TASKS
from sauce_janitor.metrics import ALL as FAMILIES
from tests.support.command_tree import own_options

TOP = Path(__file__).parents[2]
PAGES = sorted([*TOP.glob("*.md"), *TOP.glob("docs/**/*.md")])


def _typed(text: str) -> Iterator[str]:
    """Yield each command line of the program that a page shows, in blocks and within sentences."""
    fence = re.compile(r"^```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for block in fence.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.match(r"\s*(?:\$ )?(sauce-janitor [a-z].*)", line):
                yield match[1]
    yield from re.findall(r"`(sauce-janitor [a-z][^`]*)`", fence.sub("", text))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_every_command_that_a_page_shows_exists_with_its_options(page: Path) -> None:
    own = {each for spelt in own_options(cli) for each in spelt}
    for line in _typed(page.read_text(encoding="utf-8")):
        words = re.split(r"\s+#\s|\s&&?\s|[;|]", line)[0].split()[1:]
        command: click.Command | None = cli
        for word in words:
            if isinstance(command, click.Group) and not word.startswith("-"):
                command = command.get_command(click.Context(command), word)
                assert command is not None, f"{line}: there is no {word}"
        assert command is not None
        known = own | {each for spelt in own_options(command) for each in spelt}
        options = {word.strip("[]").partition("=")[0] for word in words if re.match(r"\[?-", word)}
        assert options <= known | {"-"}, line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_links_between_the_pages_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text) + re.findall(
        r'<img src="([^":]+)"', text
    ):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(TOP)))
def test_a_blank_line_stands_before_a_table_so_that_the_site_draws_it(page: Path) -> None:
    lines = page.read_text().splitlines()
    glued = [
        line
        for before, line in itertools.pairwise(lines)
        if line.startswith("|") and before.strip() and not before.startswith(("|", "#"))
    ]
    assert glued == []


ARCHAIC = re.compile(
    r"\b(mend(s|ed|ing)?|aloud|c[ao]me of|films?|lets? go of|(is|are|was|were) to"
    r" be|he|his|him|anew|whilst|shall|untrue|\w*(avi|ol|on|av)our\w*|\w*ledgement\w*|one-shot)\b",
    re.IGNORECASE,
)
"""Words, turns and British spellings that a reader stumbles over; CONTRIBUTING.md has what to say
instead.
"""


def _readable(page: Path) -> str:
    """Return what must be in today's English: of the changelog its newest section, of CONTRIBUTING
    all but the bad examples.
    """
    text = page.read_text(encoding="utf-8")
    if page.name == "CHANGELOG.md":
        return "\n## ".join(text.split("\n## ")[:2])
    if page.name == "CONTRIBUTING.md":
        before, _, rest = text.partition("| Not | But |")
        return before + rest.partition("\n\n")[2]
    return text


@pytest.mark.parametrize(
    "page", [*PAGES, TOP / "config.example.yaml"], ids=lambda page: str(page.relative_to(TOP))
)
def test_pages_are_written_in_today_s_english(page: Path) -> None:
    found = [line.strip() for line in _readable(page).splitlines() if ARCHAIC.search(line)]
    assert not found


def _help_texts(command: click.Command) -> Iterator[str]:
    """Yield what `--help` says of the command, of its options, and of every command below it."""
    yield command.help or ""
    for option in command.params:
        if isinstance(option, click.Option):
            yield option.help or ""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            under = command.get_command(context, name)
            assert under is not None
            yield from _help_texts(under)


def test_help_is_written_in_today_s_english() -> None:
    overview = [line for lines in TASKS.values() for line in lines.values()]
    metrics = [family.text for family in FAMILIES]
    found = [text for text in (*_help_texts(cli), *overview, *metrics) if ARCHAIC.search(text)]
    assert not found


def test_contributing_names_modules_that_exist() -> None:
    page = (TOP / "CONTRIBUTING.md").read_text()
    section = page.partition("## Where a change belongs\n")[2].partition("\n## ")[0]
    named = re.findall(r"`([a-z_/]+(?:/|\.py))`", section)
    assert len(named) > 10
    assert [each for each in named if not (TOP / "sauce_janitor" / each).exists()] == [
        "sauce_janitor/"
    ]
    others = re.findall(r"\b(?:tests|docs)/[\w/.-]*\w", page)
    assert [each for each in others if not (TOP / each).exists()] == []


def test_the_picture_of_the_flow_is_the_one_that_its_script_draws() -> None:
    script = runpy.run_path(str(TOP / "docs/make_pictures.py"))
    assert script["flow"]() == (TOP / "docs/images/flow.svg").read_text(encoding="utf-8"), (
        "run `make pictures`"
    )


def test_the_readme_names_the_two_commands_that_the_makefile_has() -> None:
    makefile = (TOP / "Makefile").read_text()
    for target in ("demo", "test"):
        assert f"make {target}" in (TOP / "README.md").read_text()
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_the_readme_says_early_that_real_devices_are_not_touched() -> None:
    assert "Real-device jobs are not touched" in (TOP / "README.md").read_text()[:2500]


def test_every_dependency_says_why_it_is_there() -> None:
    project = (TOP / "pyproject.toml").read_text()
    block = project[project.index("dependencies = [") : project.index("[project.scripts]")]
    for line in block.splitlines():
        if line.strip().startswith('"'):
            assert "# " in line, line


def test_the_tests_that_the_page_on_safety_names_are_there() -> None:
    page = (TOP / "docs/explanation/safety.md").read_text()
    assert set(re.findall(r"`(test_\w+)`", page)) <= {
        file.stem for file in (TOP / "tests").rglob("test_*.py")
    }
    section = page.partition("\n## What is guaranteed\n")[2].partition("\n## ")[0]
    claims = section.split("\n- **")[1:]
    assert [claim for claim in claims if "`test_" not in claim] == []
    assert len(claims) > 30
