"""An option that takes one value is not accepted twice: the last one would silently count."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from sauce_janitor.cli.app import cli

JOB = "0" * 32


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"tag {JOB} --passed --failed", "give --passed or --failed once"),
        (f"tag {JOB} --failed --add x --passed", "give --passed or --failed once"),
        (f"tag --name a {JOB} --name b", "give --name once"),
        (f"hold add --reason a --reason=b {JOB}", "give --reason once"),
        ("archive list --build a --build b", "give --build once"),
        ("archive export --output a -o b --all", "give -o once"),
    ],
)
def test_an_option_with_one_value_is_refused_twice_whoever_comes_last(line: str, said: str) -> None:
    result = CliRunner().invoke(cli, line.split())
    assert result.exit_code == 2
    assert said in result.output
    assert f"Usage: cli {line.split(maxsplit=1)[0]}" in result.output


@pytest.mark.parametrize(
    "line",
    [
        "version --config a --config b -v -v",
        "jobs --owner a --owner b --help",
        "jobs --limit 1 --limit 2 --help",
        "run --execute --execute --help",
    ],
)
def test_options_that_may_be_repeated_and_help_are_accepted(line: str) -> None:
    assert CliRunner().invoke(cli, line.split()).exit_code == 0


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("archive export --all --since 3d -o x", "--all exports the whole archive"),
        (f"archive export {JOB} --all -o x", "--all exports the whole archive"),
        (f"archive verify {JOB} --sample 5%", "--sample is a share of all jobs"),
        (f"builds {JOB} --status failed", "BUILD lists the jobs of one build"),
        ("insights tests --build a --missing-build", "--build and --missing-build exclude"),
        ("approve abcd --withdraw --lift max_percent", "--withdraw ends every approval"),
        (f"tag {JOB} --custom-data a=1 --custom-data-json a=2", "custom data 'a' is set twice"),
    ],
)
def test_options_of_which_one_would_be_ignored_are_refused_together(line: str, said: str) -> None:
    result = CliRunner().invoke(cli, line.split())
    assert result.exit_code == 2
    assert said in result.output
