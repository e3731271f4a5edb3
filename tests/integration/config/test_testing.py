"""`check` runs the configuration's tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sauce_janitor.cli.app import cli

CONFIG = """\
accounts: {eu: {region: eu, username: u, access_key: {env: PATH}}}
holds: [{tag: keep}]
policies:
  - {name: noise, match: {build: "PR-*"}, keep: [{id: newest, last: 1}], then: {archive: none, delete_job: 14d}}
tests:
  - name: old noise goes
    as_of: 2026-06-01T00:00:00Z
    jobs:
      - {id: new, build: PR-9, end_time: -15d}
      - {id: old, build: PR-1, end_time: -16d}
    expect: {new: {keep: newest}, old: {delete_job: noise}}
"""
HELD = """\
  - {name: a hold holds, jobs: [{id: n, build: PR-2}, {id: x, build: PR-1, end_time: -20d, tags: keep},
     {id: y, end_time: -20d}], expect: {x: {keep: tag keep}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def check(folder: Path, text: str, *words: str) -> Result:
    (folder / "config.yaml").write_text(text)
    return CliRunner().invoke(cli, ["check", *words])


def tail(result: Result) -> list[str]:
    """What it says after the account and its budget."""
    return result.stdout.splitlines()[3:]


def test_a_test_that_fails_ends_check_with_6_and_says_what_was_decided_and_why(
    folder: Path,
) -> None:
    result = check(folder, CONFIG.replace("14d}}", "17d}}"))
    assert result.exit_code == 6
    failure, summary = tail(result)
    assert (
        failure
        == "config.yaml:6: tests[0]: old noise goes: old: expected delete_job by noise; decided"
        " kept"
        " (noise: not yet due (after 17d))"
    )
    assert summary == "tests: 1 of 1 failed"


def test_tests_that_pass_are_counted_and_what_they_would_not_miss_too(folder: Path) -> None:
    """Configuration checks: a rule that no test covers."""
    result = check(folder, CONFIG)
    assert result.exit_code == 0
    assert tail(result) == [
        (
            "tests: 1 passed; 2 of 4 rules and match parts could be removed without failing a"
            " test (--mutants names them)"
        ),
        "warning: hold tag keep: no test covers it",
    ]


def test_mutants_are_named_on_request(folder: Path) -> None:
    assert tail(check(folder, CONFIG, "--mutants"))[:3] == [
        "tests: 1 passed; 2 of 4 rules and match parts could be removed without failing a test:",
        "  noise: match part `build: PR-*`",
        "  hold tag keep",
    ]


def test_a_file_whose_every_rule_is_missed_is_told_so(folder: Path) -> None:
    assert tail(check(folder, CONFIG + HELD, "--mutants")) == [
        "tests: 2 passed; each of the 4 rules and match parts is covered: without it, a test fails"
    ]


def test_without_tests_nothing_is_said_but_on_request(folder: Path) -> None:
    text = CONFIG.partition("tests:")[0]
    assert tail(check(folder, text)) == []
    assert tail(check(folder, text, "--mutants")) == ["tests: none, so no mistake would be noticed"]


def test_a_test_is_run_once_for_each_set_of_rules_and_says_for_which(folder: Path) -> None:
    two = CONFIG.replace(
        "accounts: {", "accounts: {us: {region: us, username: u, access_key: {env: PATH}}, "
    )
    assert check(folder, two).stdout.count("tests: 1 passed") == 1
    own = two.replace("{name: noise,", "{name: noise, accounts: eu,")
    failed = check(folder, own)
    assert failed.exit_code == 6
    where = "config.yaml:6: tests[0]: account us: old noise goes"
    assert [line for line in failed.stdout.splitlines() if line.startswith(where)] == [
        f"{where}: new: expected kept by newest; decided kept (no policy covers it)",
        f"{where}: old: expected delete_job by noise; decided kept (no policy covers it)",
    ]
    assert (
        check(folder, own.replace("  - name: old", "  - accounts: eu\n    name: old")).exit_code
        == 0
    )
