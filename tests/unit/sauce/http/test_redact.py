"""No secret of a vendor's document is kept."""

from __future__ import annotations

import pytest

from sauce_janitor.errors import AnswerError
from sauce_janitor.sauce.http.redact import REMOVED, redact, redact_text

CANARY = "c4n4ry-4711"


@pytest.mark.parametrize(
    "key",
    [
        "accesskey",
        "accessKey",
        "access_key",
        "access-key",
        "sauce:accessKey",
        "video_secret",
        "apiKey",
        "password",
        "proxy_passwd",
        "Authorization",
        "auth",
        "sauce:auth",
        "authToken",
        "assetSignature",
        "client_secret",
        "privateKey",
        "credentials",
        "sessionCookie",
    ],
)
@pytest.mark.parametrize("value", [CANARY, [CANARY], {"deep": {"er": CANARY}}])
def test_a_secret_by_its_name_is_removed_at_any_depth(key: str, value: object) -> None:
    document = {"base_config": [{"sauce:options": {key: value, "name": "kept"}}]}
    assert redact(document) == {"base_config": [{"sauce:options": {key: REMOVED, "name": "kept"}}]}


@pytest.mark.parametrize(
    "text",
    [
        f"https://assets.saucelabs.com/jobs/1/video.mp4?ts=1&auth={CANARY}",
        f"see https://x/?a=1&X-Amz-Signature={CANARY}&X-Amz-Credential={CANARY} there",
        f"https://user:{CANARY}@ondemand.saucelabs.com:443/wd/hub",
        f"curl 'https://x/?access_token={CANARY}'",
        f'{{"accessKey": "{CANARY}", "x": 1}}',
        f"accessKey={CANARY}",
        f"password: {CANARY}",
    ],
)
def test_a_secret_inside_a_text_is_removed(text: str) -> None:
    cleaned = redact({"log": [text]})
    assert CANARY not in repr(cleaned)
    assert REMOVED in repr(cleaned)


@pytest.mark.parametrize(
    "value",
    [
        {
            "name": "Basic Authentication test: login?",
            "assigned_tunnel_id": "a1",
            "build": "monkey=3; key notes",
            "tokens": 3,
        },
        {
            "video_url": "https://assets.saucelabs.com/jobs/1/video.mp4",
            "passed": None,
            "n": 1.5,
            "author": "jane",
        },
        {"log_url": "https://x/?page=2&sort=asc", "time": "12:30@home"},
    ],
)
def test_honest_text_stays_as_it_is(value: object) -> None:
    assert redact(value) == value


def test_null_stays_null_and_half_surrogates_are_mended() -> None:
    assert redact({"video_secret": None, "name": "a\ud800b", "żółw": "ok"}) == {
        "video_secret": None,
        "name": "a?b",
        "żółw": "ok",
    }


def test_what_is_nested_too_deeply_is_refused() -> None:
    value: object = 1
    for _ in range(100):
        value = [value]
    with pytest.raises(AnswerError, match="nested too deeply"):
        redact(value)


def test_redacting_twice_changes_nothing_more() -> None:
    text = redact_text(f"https://user:{CANARY}@x/?auth={CANARY}&b=1")
    assert redact_text(text) == text
