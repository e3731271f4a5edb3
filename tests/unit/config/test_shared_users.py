"""One user's jobs at one address belong to one account: what the files tell of an overlap is a
fault.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.config import Config
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.config.shared_users import place
from sauce_janitor.errors import ConfigError

EU = "https://api.eu-central-1.saucelabs.com"


def loaded(one: str, other: str, **environ: str) -> Config:
    text = f"accounts:\n  one: {{{one}}}\n  other: {{{other}}}\n"
    return from_bytes(text.encode(), Path("config.yaml"), environ=environ)


@pytest.mark.parametrize(
    ("one", "other", "user"),
    [
        ("region: eu, username: jane", "region: eu, username: jane", "jane"),
        ("region: eu, username: jane", f"base_url: '{EU}', username: JANE", "JANE"),
        (
            "region: eu, username: jane",
            "base_url: 'https://API.EU-Central-1.SauceLabs.com:443', username: jane",
            "jane",
        ),
        (
            "region: eu, username: jane",
            "base_url: 'https://eu-central-1.saucelabs.com', username: jane",
            "jane",
        ),
        ("region: us, username: jane", "base_url: 'https://saucelabs.com', username: jane", "jane"),
        (
            "base_url: 'http://localhost:80', username: j",
            "base_url: 'http://127.0.0.1', username: j",
            "j",
        ),
        ("region: eu, username: jane", "region: eu, username: bob, users: [bob, Jane]", "Jane"),
        (
            "region: eu, username: a, users: [jane]",
            "region: eu, username: b, users: [jane]",
            "jane",
        ),
        ("region: eu, username: {env: A}", "region: eu, username: jane", "jane"),
        ("region: eu, username: {env: A}", "region: eu, username: {env: B}", "jane"),
        ("region: eu, username: {env: UNSET}", "region: eu, username: {env: UNSET}", "me"),
        ("region: eu, username: {file: who}", "region: eu, username: {file: who}", "me"),
        ("region: eu", "region: eu", "me"),
        (
            "region: eu, username: jane",
            "region: eu, username: adm, users: [organization, jane]",
            "jane",
        ),
    ],
)
def test_two_accounts_with_the_jobs_of_one_user_are_refused(
    one: str, other: str, user: str
) -> None:
    with pytest.raises(ConfigError) as wrong:
        loaded(one, other, A="jane", B="jane")
    said = str(wrong.value)
    assert said.startswith(
        f"config.yaml:3: accounts.other.users: jobs of `{user}` already belong to account `one`"
        " (line 2)"
    )
    assert "Move the policies of both into one account, or remove the user from one" in said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("users: [organization]", "users: [organization]"),
        ("users: [organization]", "users: [alice]"),
        ("users: [alice]", "users: [organization]"),
    ],
)
def test_one_credential_with_an_organization_beside_anything_of_it_is_refused(
    one: str, other: str
) -> None:
    with pytest.raises(
        ConfigError, match="jobs of the whole organization already belong to account `one`"
    ):
        loaded(f"region: eu, username: adm, {one}", f"region: eu, username: adm, {other}")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("region: eu, username: jane", "region: us, username: jane"),
        ("region: eu, username: jane", "region: eu, username: bob"),
        ("region: eu, username: adm, users: [jane]", "region: eu, username: adm, users: [bob, me]"),
        ("region: eu, username: {file: a}", "region: eu, username: {file: b}"),
        (
            "region: eu, username: a, users: [organization]",
            "region: eu, username: b, users: [organization]",
        ),
        (
            "base_url: 'http://127.0.0.1:1', username: j",
            "base_url: 'http://127.0.0.1:2', username: j",
        ),
        ("region: eu", "region: us"),
    ],
)
def test_what_is_apart_or_cannot_be_told_from_the_files_is_left_to_the_run(
    one: str, other: str
) -> None:
    assert len(loaded(one, other).accounts) == 2


def test_whose_credentials_are_the_usual_ones_is_known_without_a_request(tmp_path: Path) -> None:
    usual = {"HOME": str(tmp_path), "SAUCE_USERNAME": "Jane", "SAUCE_ACCESS_KEY": "k"}
    with pytest.raises(ConfigError, match="jobs of `jane` already belong to account `one`"):
        loaded("region: eu", "region: eu, username: jane", **usual)
    assert loaded("region: eu", "region: eu, username: bob", **usual)
    (tmp_path / ".sauce").mkdir()
    (tmp_path / ".sauce" / "credentials.yml").write_text("username: bob\naccessKey: k\n")
    with pytest.raises(ConfigError, match="jobs of `bob`"):
        loaded("region: eu", "region: eu, username: bob", HOME=str(tmp_path))


def test_an_account_of_the_file_is_not_one_that_is_gone() -> None:
    with pytest.raises(
        ConfigError,
        match=r"accounts.one.replaces: `other` is an account of this file, so it cannot be replaced",
    ):
        loaded("region: eu, replaces: other", "region: us")
    assert loaded("region: eu, replaces: older", "region: us").account("one").replaces == ("older",)


def test_a_place_has_one_spelling() -> None:
    assert place("https://Example.com.:443") == place("https://example.com") == "example.com:443"
    assert place("http://[::1]:8080") == place("http://localhost:8080") == "localhost:8080"
    assert place("https://example.com:8443") != place("https://example.com")
