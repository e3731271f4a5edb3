"""`check --format json|junit`: faults, warnings and tests as documents, with the exit codes of the
text.
"""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from sauce_janitor.cli.app import cli

CONFIG = """
accounts: {eu: {region: eu, username: jane, access_key: {env: NO_SUCH_KEY}}}
policies: [{name: old, match: {browser: edge}, then: {archive: none, delete_job: 10d}}]
deadlines: [{name: privacy, match: all, job_gone_by: 9d}]
tests:
  - {name: "good <&>", jobs: [{id: x, browser: edge, end_time: -20d}], expect: {x: {delete_job: old}}}
  - {name: bad, jobs: [{id: y, browser: safari, end_time: -20d}], expect: {y: {delete_job: old}}}
"""


def check(folder: Path, text: str, form: str) -> Result:
    (folder / "c.yaml").write_text(text)
    return CliRunner().invoke(cli, ["check", "--format", form, "--config", str(folder / "c.yaml")])


def test_json_has_warnings_accounts_deadlines_and_failed_tests(tmp_path: Path) -> None:
    done = check(tmp_path, CONFIG, "json")
    found = json.loads(done.output)
    assert found["valid"] is True
    assert [(each["line"], each["path"]) for each in found["warnings"][:1]] == [
        (3, "policies[0].match.browser")
    ]
    assert any("NO_SUCH_KEY" in each["message"] for each in found["warnings"])
    assert found["accounts"][0]["policies"] == ["old"]
    assert found["deadlines"][0]["blocked_by"] == [
        "old: delete_job: 10d",
        "no policy says delete_job of a job that old does not match",
        "limits: max_percent",
    ]
    tests = found["tests"]
    assert (tests["total"], tests["failed"]) == (2, 1)
    assert [(each["test"], each["account"]) for each in tests["failures"]] == [("bad", "eu")]
    assert done.exit_code == 6


def test_json_of_a_faulty_file_has_every_fault_with_its_place(tmp_path: Path) -> None:
    done = check(
        tmp_path,
        CONFIG.replace("region: eu", "region: mars").replace("name: old", "nmae: old"),
        "json",
    )
    found = json.loads(done.output)
    assert found["valid"] is False
    assert [(each["line"], each["path"]) for each in found["faults"]][:2] == [
        (2, "accounts.eu.region"), (3, "policies[0].name"),
    ]  # fmt: skip
    assert done.exit_code == 2


def test_junit_is_xml_with_a_case_for_the_file_and_for_each_test(tmp_path: Path) -> None:
    done = check(tmp_path, CONFIG, "junit")
    suite = ET.fromstring(done.output)[0]
    assert (suite.attrib["tests"], suite.attrib["failures"]) == ("3", "1")
    assert {case.attrib["name"]: len(case) for case in suite.iter("testcase")} == {
        "configuration": 0,
        "good <&>": 0,
        "bad": 1,
    }
    assert "microsoftedge" in (suite.findtext("system-out") or "")
    assert done.exit_code == 6


@pytest.mark.parametrize(
    "text", [CONFIG.replace("region: eu", "region: mars"), "a: [", "policies: \x07"]
)
def test_junit_of_a_faulty_file_fails_its_configuration(text: str, tmp_path: Path) -> None:
    done = check(tmp_path, text, "junit")
    (failed,) = ET.fromstring(done.output).iter("failure")
    assert "c.yaml:" in failed.attrib["message"]
    assert done.exit_code == 2


def test_a_file_that_is_not_there_is_a_fault_in_json_too(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["check", "--format", "json", "--config", str(tmp_path / "none.yaml")]
    )
    assert json.loads(done.output)["faults"][0]["message"].startswith(
        f"{tmp_path / 'none.yaml'}: there is no such file"
    )
    assert done.exit_code == 2
