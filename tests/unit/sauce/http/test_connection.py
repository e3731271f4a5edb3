"""Addresses that are safe to send a credential to, and nothing secret in what is printed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import SecretStr

from sauce_janitor.errors import ConfigError
from sauce_janitor.model.request_allowance import RequestAllowance
from sauce_janitor.sauce.http.connection import Connection

EU = Connection("https://api.eu-central-1.saucelabs.com", "jsmith", SecretStr("c4n4ry"))


@pytest.mark.parametrize(
    ("base_url", "said"),
    [
        ("http://api.eu-central-1.saucelabs.com", "must be https"),
        ("http://127.0.0.1.evil.example", "must be https"),
        ("http://10.0.0.1", "must be https"),
        ("ftp://127.0.0.1", "https://"),
        ("api.eu-central-1.saucelabs.com", "https://"),
        ("", "https://"),
        ("https://", "host name"),
        ("https://jsmith:c4n4ry@api.eu-central-1.saucelabs.com", "must not hold"),
        ("https://api.eu-central-1.saucelabs.com/rest/v1", "must end after"),
        ("https://api.eu-central-1.saucelabs.com?x=1", "must end after"),
    ],
)
def test_an_address_that_could_leak_or_mislead_is_refused(base_url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        replace(EU, base_url=base_url)
    assert "c4n4ry" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    ["http://127.0.0.1:8080", "http://localhost:1/", "http://[::1]:8080", "https://sauce.example"],
)
def test_loopback_may_be_plain_and_a_slash_at_the_end_is_nothing(base_url: str) -> None:
    assert replace(EU, base_url=base_url).origin == base_url.rstrip("/")


@pytest.mark.parametrize("username", ["", "a:b"])
def test_a_user_name_that_would_shift_the_password_is_refused(username: str) -> None:
    with pytest.raises(ConfigError, match="username"):
        replace(EU, username=username)


@pytest.mark.parametrize(
    ("base_url", "hosts"),
    [
        ("https://api.eu-central-1.saucelabs.com", {"https://assets.eu-central-1.saucelabs.com"}),
        (
            "https://api.us-west-1.saucelabs.com",
            {"https://assets.us-west-1.saucelabs.com", "https://assets.saucelabs.com"},
        ),
        ("https://api.us-east-4.saucelabs.com", {"https://assets.us-east-4.saucelabs.com"}),
        ("https://sauce.example", set()),
        ("https://api.saucelabs.com.evil.example", set()),
        ("http://127.0.0.1:8080", set()),
    ],
)
def test_each_region_has_its_asset_host(base_url: str, hosts: set[str]) -> None:
    connection = replace(EU, base_url=base_url)
    assert connection.asset_origins == hosts | {connection.origin}


def test_the_polite_rate_holds_unless_set_and_loopback_has_none() -> None:
    assert EU.timetable.usual == RequestAllowance(2.0, 1500)
    assert replace(EU, per_second=10.0, per_hour=3500).timetable.usual == RequestAllowance(
        10.0, 3500
    )
    assert replace(EU, base_url="http://127.0.0.1").timetable.unlimited
    assert replace(
        EU, base_url="http://127.0.0.1", per_second=10.0
    ).timetable.usual == RequestAllowance(10.0, None)


def test_nothing_secret_is_printed() -> None:
    assert "c4n4ry" not in repr(replace(EU, proxy="http://me:c4n4ry@proxy:3128"))
