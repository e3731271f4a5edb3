"""Secrets come from where the file says, late, and never show."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sauce_janitor.config import load
from sauce_janitor.errors import ConfigError

KEY = "hunter2-hunter2"


def account(folder: Path, extra: str, environ: dict[str, str]):  # type: ignore[no-untyped-def]
    path = folder / "config.yaml"
    path.write_text(f"accounts:\n  eu:\n    region: eu\n{extra}", encoding="utf-8")
    return load(path, environ={"HOME": str(folder), **environ}).accounts[0]


def refusal(folder: Path, extra: str, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        account(folder, extra, environ).credentials()
    assert KEY not in str(caught.value)
    assert KEY not in repr(caught.value.__cause__)
    return str(caught.value).replace(str(folder), "DIR")


def test_the_usual_variables_are_taken_where_nothing_is_written(tmp_path: Path) -> None:
    name, key = account(
        tmp_path, "", {"SAUCE_USERNAME": "demo", "SAUCE_ACCESS_KEY": KEY}
    ).credentials()
    assert (name, key.get_secret_value()) == ("demo", KEY)


def test_without_both_variables_it_is_what_saucectl_wrote(tmp_path: Path) -> None:
    saucectl = tmp_path / ".sauce" / "credentials.yml"
    saucectl.parent.mkdir()
    saucectl.write_text(f"username: jane\naccessKey: {KEY}\n", encoding="utf-8")
    name, key = account(tmp_path, "", {"SAUCE_USERNAME": "demo"}).credentials()
    assert (name, key.get_secret_value()) == ("jane", KEY)


REGIONS = """
- name: us-west-1
  apiBaseURL: https://api.us-west-1.saucelabs.com
  credentials: {username: joe, accessKey: of-another-region}
- name: eu-central-1
  apiBaseURL: https://api.eu-central-1.saucelabs.com/
  appBaseURL: https://app.eu-central-1.saucelabs.com
  credentials: {username: jane, accessKey: KEY}
"""


def test_what_saucectl_keeps_for_the_region_goes_before_everything_else(tmp_path: Path) -> None:
    folder = tmp_path / ".sauce"
    folder.mkdir()
    (folder / "credentials.yml").write_text(
        "username: jim\naccessKey: of-no-region\n", encoding="utf-8"
    )
    environ = {"SAUCE_USERNAME": "demo", "SAUCE_ACCESS_KEY": "of-the-environment"}
    for text, expected in (
        (REGIONS.replace("KEY", KEY), ("jane", KEY)),
        (
            REGIONS.replace("{username: jane, accessKey: KEY}", "{username: jane}"),
            ("demo", "of-the-environment"),
        ),
        (REGIONS.replace("api.eu-central-1", "elsewhere"), ("demo", "of-the-environment")),
        ("nonsense: [", ("demo", "of-the-environment")),
        ("{}", ("demo", "of-the-environment")),
        ("- 1\n- {apiBaseURL: 5, credentials: 7}", ("demo", "of-the-environment")),
    ):
        (folder / "regions.yml").write_text(text, encoding="utf-8")
        name, key = account(tmp_path, "", environ).credentials()
        assert (name, key.get_secret_value()) == expected


def test_a_regions_key_is_not_sent_to_another_address_under_the_regions_name(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ".sauce"
    folder.mkdir()
    text = (
        "[{name: eu-central-1, apiBaseURL: 'https://proxy.example', credentials: {username: j,"
        f" accessKey: {KEY}}}}}]"
    )
    (folder / "regions.yml").write_text(text, encoding="utf-8")
    assert "has no credentials" in refusal(tmp_path, "", {})


def test_a_key_found_elsewhere_is_not_used_for_another_user(tmp_path: Path) -> None:
    said = refusal(
        tmp_path, "    username: jane\n", {"SAUCE_USERNAME": "demo", "SAUCE_ACCESS_KEY": KEY}
    )
    assert (
        said
        == "DIR/config.yaml:2: accounts.eu: has no access_key, and the one found elsewhere is of"
        " another user than jane: write access_key"
    )


def test_the_usual_key_goes_with_a_written_user_name(tmp_path: Path) -> None:
    name, key = account(tmp_path, "    username: jane\n", {"SAUCE_ACCESS_KEY": KEY}).credentials()
    assert (name, key.get_secret_value()) == ("jane", KEY)


def test_no_credentials_anywhere_says_what_to_set(tmp_path: Path) -> None:
    assert (
        refusal(tmp_path, "", {})
        == "DIR/config.yaml:2: accounts.eu: has no credentials: set SAUCE_USERNAME and"
        " SAUCE_ACCESS_KEY, run `saucectl configure`, or write username and access_key"
    )


def test_a_named_variable_is_read_when_it_is_needed(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    path = tmp_path / "config.yaml"
    path.write_text(
        "accounts: {eu: {region: eu, username: jane, access_key: {env: KEY}}}", encoding="utf-8"
    )
    config = load(path, environ=environ)
    environ["KEY"] = KEY
    name, key = config.accounts[0].credentials()
    assert (name, key.get_secret_value()) == ("jane", KEY)
    assert KEY not in repr(config)


def test_a_file_is_relative_to_the_configuration_and_loses_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\r\n", encoding="utf-8")
    _, key = account(
        tmp_path, "    username: jane\n    access_key: {file: key}\n", {}
    ).credentials()
    assert key.get_secret_value() == KEY


def test_a_command_prints_the_secret(tmp_path: Path) -> None:
    command = (
        f"    username: jane\n    access_key: {{command: [{sys.executable}, -c,"
        f" 'print(\"{KEY}\")']}}\n"
    )
    _, key = account(tmp_path, command, {}).credentials()
    assert key.get_secret_value() == KEY


@pytest.mark.parametrize(
    ("node", "said"),
    [
        ("{env: NONE}", "env: the environment variable NONE is not set"),
        ("{env: EMPTY}", "env: the environment variable EMPTY is empty"),
        (
            "{env: LINES}",
            (
                "env: the environment variable LINES has more than one line, or characters that"
                " are not printable"
            ),
        ),
        ("{file: none}", "file: the file none cannot be read: No such file or directory"),
        ("{file: empty}", "file: the file empty is empty"),
        ("{file: binary}", "file: the file binary is not UTF-8 text"),
        ("{file: large}", "file: the file large is too large for a secret"),
        (
            "{command: [/none]}",
            "command: the command /none cannot be started: No such file or directory",
        ),
        ("{command: ['false']}", "command: the command false ended with 1"),
        ("{command: ['true']}", "command: the command true is empty"),
    ],
)
def test_a_secret_that_cannot_be_had_names_its_place(tmp_path: Path, node: str, said: str) -> None:
    (tmp_path / "empty").write_text("\n", encoding="utf-8")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "large").write_bytes(b"x" * 100_000)
    environ = {"EMPTY": "", "LINES": f"{KEY}\n{KEY}", "PATH": "/usr/bin:/bin"}
    extra = f"    username: jane\n    access_key: {node}\n"
    assert refusal(tmp_path, extra, environ) == f"DIR/config.yaml:5: accounts.eu.access_key.{said}"


def test_a_user_name_that_cannot_be_one_is_refused(tmp_path: Path) -> None:
    extra = "    username: {env: NAME}\n    access_key: {env: KEY}\n"
    said = refusal(tmp_path, extra, {"NAME": "../x", "KEY": KEY})
    assert (
        said == "DIR/config.yaml:2: accounts.eu: has an invalid user name: it is empty, or has"
        " slashes, or blanks at an end"
    )


def test_identity_says_who_without_asking_anyone(tmp_path: Path) -> None:
    environ = {"SAUCE_USERNAME": "demo", "SAUCE_ACCESS_KEY": KEY, "WHO": "ann"}
    at = "at https://api.eu-central-1.saucelabs.com"
    assert account(tmp_path, "", environ).identity() == f"eu: demo {at}"
    assert account(tmp_path, "    username: jane\n", environ).identity() == f"eu: jane {at}"
    assert account(tmp_path, "    username: {env: WHO}\n", environ).identity() == f"eu: ann {at}"
    command = "    username: {command: [/none, secret]}\n"
    assert account(tmp_path, command, environ).identity() == f"eu: user from command /none {at}"
