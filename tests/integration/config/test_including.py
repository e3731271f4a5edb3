"""`include`: other teams' files add policies, holds, lists and tests, as strictly as if they stood
in one file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.config import Config, load
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.config.output.effective import effective_yaml
from sauce_janitor.errors import ConfigError

MAIN = """\
accounts: {eu: {region: eu}}
include: [teams/*.yaml]
lists: {mine: ["m-*"]}
policies:
  - {name: a, match: {build: {in: mine}}, then: {archive: none, delete_job: 9d}}
"""
WEB = """\
# the web team's own
version: 1
lists: {web: ["web-*"]}
holds: [{tag: keep}]
policies:
  - {name: web, match: {build: {in: web}}, overrides: [a], then: {archive: none, delete_job: 3d}}
"""
APP = """\
policies:
  - {name: app, match: {build: {in: mine}}, then: {archive: none, delete_job: 3d}}
tests:
  - {name: app goes, jobs: [{id: x, build: m-1, end_time: -9d}], expect: {x: {delete_job: a}}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "teams").mkdir()
    (tmp_path / "config.yaml").write_text(MAIN)
    return tmp_path


def add(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / "teams" / f"{name}.yaml").write_text(text)


def loaded() -> Config:
    return load("config.yaml", environ={})


def faults() -> str:
    with pytest.raises(ConfigError) as caught:
        loaded()
    return str(caught.value)


def test_included_files_add_policies_holds_lists_and_tests(folder: Path) -> None:
    """Configuration checks: `include: [policies.d/*.yaml]` adds policies, holds, lists and
    tests,"""
    add(folder, web=WEB, app=APP)
    config = loaded()
    assert [policy.name for policy in config.rules("eu").policies] == ["a", "app", "web"]
    assert [hold.id for hold in config.rules("eu").holds] == ["tag keep"]
    assert [test.place for test in config.tests("eu")] == ["teams/app.yaml:4: tests[0]"]


def test_neither_the_order_of_files_nor_in_which_of_them_a_rule_stands_matters(
    folder: Path,
) -> None:
    add(folder, web=WEB, app=APP)
    digest = loaded().policy_digest("eu")
    (folder / "teams" / "web.yaml").rename(folder / "teams" / "0.yaml")
    assert loaded().policy_digest("eu") == digest
    shown = effective_yaml((folder / "config.yaml").read_bytes(), folder / "config.yaml")
    assert "include" not in shown
    assert (
        from_bytes(shown.encode(), folder / "config.yaml", environ={}).policy_digest("eu") == digest
    )


def test_a_hold_in_an_included_file_changes_the_digest(folder: Path) -> None:
    add(folder, app=APP)
    digest = loaded().policy_digest("eu")
    add(folder, web="holds: [{tag: keep}]\n")
    assert loaded().policy_digest("eu") != digest


def test_every_fault_of_every_file_is_told_with_its_own_file_line_and_path(folder: Path) -> None:
    """Configuration checks: as strict as the file itself,"""
    add(
        folder,
        web=(
            "lists: {mine: [b]}\npolicies:\n  - {name: b, match: {nmae: x}, then: {archive: 1d}}\n "
            " - {name: a, match: all, overrides: [nix], then: {archive: none, delete_job:"
            " 30}}\nworkers: 3\ninclude: x\n"
        ),
        app="policies: [\n",
        bad="- 1\n",
        off="policies: 1\nversion: 2\n\tlists: {}\n",
    )
    (folder / "config.yaml").write_text(MAIN + "workres: 1\n")
    assert (
        faults()
        == """\
config.yaml:6: workres: unknown key `workres`; did you mean `workers`?
teams/app.yaml:2: is not YAML: did not find expected node content (while parsing a flow node) at column 1; \
indent with spaces, quote text with : or #
teams/bad.yaml:1: is not a mapping: an included file begins with a key such as `policies:`; \
it can only add policies, holds, lists and tests
teams/off.yaml:3: has a tab in the indentation (column 1): use spaces
teams/web.yaml:1: lists.mine: `mine` is the name of another list (config.yaml:3): names must be unique
teams/web.yaml:3: policies[0].match.nmae: unknown key `nmae`; did you mean `name`?
teams/web.yaml:4: policies[1].name: `a` is the name of another policy (config.yaml:5): names must be unique
teams/web.yaml:4: policies[1].overrides[0]: `nix` is not a policy
teams/web.yaml:4: policies[1].then.delete_job: 30 has no unit: write 30d for days, or another of s min h d w mo y
teams/web.yaml:5: workers: `workers` is not allowed in an included file: it can only add policies, holds, lists and tests
teams/web.yaml:6: include: an included file cannot include others: name all in config.yaml"""
    )


def test_names_are_unique_over_all_files(folder: Path) -> None:
    """Configuration checks: with names unique over all files."""
    add(folder, app=APP, web=APP.replace("name: app,", "name: web,"))
    assert (
        faults() == "teams/web.yaml:4: tests[0].name: `app goes` is the name of another test"
        " (teams/app.yaml:4): names must be unique"
    )
    default = "policies: [{name: NAME, default: true, then: {archive: 1d}}]\n"
    add(folder, app=default.replace("NAME", "d"), web=default.replace("NAME", "e"))
    assert (
        faults()
        == "teams/web.yaml:1: policies[0].default: account `eu` already has a default policy"
        " (teams/app.yaml:1): remove one"
    )


def test_warnings_name_the_included_file(folder: Path) -> None:
    add(folder, app="policies:\n  - {name: p, match: all, then: {archive: 26d}}\n")
    (warning,) = loaded().warnings
    assert (warning.file, warning.line, warning.path) == (
        "teams/app.yaml",
        2,
        "policies[0].then.archive",
    )


def test_a_pattern_without_a_file_is_a_fault_for_its_holds_would_protect_nothing(
    folder: Path,
) -> None:
    assert faults() == f"config.yaml:2: include[0]: `teams/*.yaml` matches no file in {folder}"
    (folder / "config.yaml").write_text(MAIN.replace("[teams/*.yaml]", "other.yaml"))
    assert faults() == f"config.yaml:2: include: `other.yaml` matches no file in {folder}"


def test_a_file_is_taken_once_however_often_it_is_named(folder: Path) -> None:
    add(folder, app=APP)
    (folder / "teams" / "again.yaml").symlink_to("app.yaml")
    (folder / "config.yaml").write_text(
        MAIN.replace("[teams/*.yaml]", "[teams/*.yaml, ./teams/app.yaml]")
    )
    assert [policy.name for policy in loaded().rules("eu").policies] == ["a", "app"]


def test_a_file_does_not_include_itself(folder: Path) -> None:
    add(folder, app=APP)
    (folder / "config.yaml").write_text(MAIN.replace("[teams/*.yaml]", "['*.yaml']"))
    assert (
        faults() == "config.yaml:2: include[0]: `*.yaml` matches this file itself: name other files"
    )


def test_a_file_that_cannot_be_read_or_is_too_large_is_a_fault(folder: Path) -> None:
    add(folder, app="#" * (256 * 1024 + 1))
    assert (
        faults()
        == "teams/app.yaml:1: is larger than 256 KiB: no configuration needs that; is it the right"
        " file?"
    )


def test_include_must_name_files(folder: Path) -> None:
    (folder / "config.yaml").write_text(MAIN.replace("[teams/*.yaml]", "[1, '']"))
    assert (
        faults()
        == """\
config.yaml:2: include[0]: must be text, not the number 1: put it in quotes
config.yaml:2: include[1]: is empty: write some text"""
    )


def test_a_list_of_one_file_serves_the_policies_of_all(folder: Path) -> None:
    add(folder, app=APP, web=WEB)
    by_name = {policy.name: policy for policy in loaded().rules("eu").policies}
    assert by_name["app"].match == by_name["a"].match


def test_five_hundred_included_files_are_the_most(folder: Path) -> None:
    for number in range(501):
        (folder / "teams" / f"{number}.yaml").write_text("holds: []\n")
    assert faults() == "config.yaml:2: include: names more than 500 files"


def test_files_are_found_from_the_folder_of_the_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration checks: relative to the file's folder,"""
    add(folder, app=APP)
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    assert [policy.name for policy in load("../config.yaml", environ={}).rules("eu").policies] == [
        "a",
        "app",
    ]


def test_an_included_file_includes_nothing_and_every_pattern_names_a_file(folder: Path) -> None:
    """Configuration checks: An included file cannot include others. A pattern without a file is an
    error, because its holds would protect nothing."""
    assert "include[0]: `teams/*.yaml` matches no file" in faults()
    add(folder, app=f"{APP}include: [more.yaml]\n")
    add(folder, more="holds: [{tag: keep}]\n")
    assert (
        faults() == "teams/app.yaml:5: include: an included file cannot include others: name all in"
        " config.yaml"
    )
