"""A credential, a secret in a document or a signed address is in nothing that a run leaves
behind.
"""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest

from sauce_janitor.sandbox import Sandbox, SandboxOptions
from sauce_janitor.sandbox.core.options import Behaviours
from sauce_janitor.sandbox.world.world import Truth
from tests.support.processes import ENVIRONMENT, POLICIES, PROGRAM

KEY = "c0ffee11-canary/key+one-d00d-feedbeef0001"
VIDEO_SECRET = "5ec2e7-canary-of-a-video-0000000000000002"
NESTED = "c0ffee33-canary-of-a-nested-key-0000000003"
OLD_KEY = "c0ffee44-canary/key+of-yesterday-0000000004"
SETTINGS = """{
    base_url: BASE_URL, budget: {per_second: 100, per_hour: 100000}, retries: {max_wait: 1s},
    access_key: {command: [sh, -c, "test -e old && cat old && rm old || echo $SAUCE_ACCESS_KEY"]},
  }
metrics: {textfile: ./metrics.prom}"""


def _forms(secret: str, *, user: str = "demo") -> set[bytes]:
    """The secret as it could be written down."""
    raw = secret.encode()
    basic = base64.b64encode(f"{user}:{secret}".encode())
    texts = {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        secret.replace("/", "\\/"),
        raw.hex(),
    }
    return {text.encode() for text in texts} | {base64.b64encode(raw), basic}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[tuple[Sandbox, Path]]:
    behaviours = replace(Behaviours(), access_key_in_config="plain", asset_redirect="on")
    with Sandbox(SandboxOptions(jobs=24, access_key=KEY, behaviours=behaviours)) as sandbox:
        for job_id in sandbox.job_ids():
            deep = {
                "sauce:options": {"accessKey": NESTED, "args": [{"access_key": NESTED}]},
                "accesskey": KEY,
            }
            sandbox.edit(job_id, video_secret=VIDEO_SECRET, base_config=deep)
        text = POLICIES.replace("{base_url: BASE_URL}", SETTINGS)
        (tmp_path / "config.yaml").write_text(text.replace("BASE_URL", sandbox.base_url))
        yield sandbox, tmp_path


def _say(folder: Path, *arguments: str) -> bytes:
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=ENVIRONMENT | {"SAUCE_ACCESS_KEY": KEY},
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.stdout + done.stderr


def _leaks(said: bytes, folder: Path) -> list[str]:
    places = {"its output": said}
    places |= {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    canaries = (("key", KEY), ("old key", OLD_KEY), ("video", VIDEO_SECRET), ("nested", NESTED))
    secrets = {name: _forms(value) for name, value in canaries}
    secrets["signed address"] = {b"?auth=", b"&auth=", b"%3Fauth%3D"}
    return [
        f"{name} in {place}"
        for place, data in places.items()
        for name, forms in secrets.items()
        if any(form in data for form in forms)
    ]


def test_no_secret_is_left_behind_by_a_whole_run(world: tuple[Sandbox, Path]) -> None:
    sandbox, folder = world
    said = b"".join(
        _say(folder, *arguments)
        for arguments in (
            ("check",),
            ("config", "show"),
            ("-v", "plan", "--out", "plan.json", "--all"),
            ("-v", "--log-format", "json", "apply", "plan.json"),
            ("-v", "run", "--execute"),
            ("-v", "jobs", "--format", "json"),
            ("-v", "job", next(iter(sandbox.job_ids()))),
            ("status", "--format", "json"),
            ("prove",),
            ("archive", "list"),
            ("archive", "verify"),
        )
    )
    left = {path.name for path in folder.iterdir()}
    assert {"state.db", "state.db.budget", "metrics.prom", "plan.json", "archive"} <= left, (
        "each was there to be looked into"
    )
    assert {KEY, NESTED, VIDEO_SECRET} <= set(
        _texts([entry.document for entry in _truths(sandbox)])
    ), "they were there"
    assert b"canary" not in said
    assert list((folder / "archive").rglob("assets/*")), "assets came by their signed addresses"
    assert _leaks(said, folder) == []


def test_a_key_that_was_changed_is_left_behind_neither_old_nor_new(
    world: tuple[Sandbox, Path],
) -> None:
    """Nor in what is said when the second one is refused, too."""
    sandbox, folder = world
    said = b""
    for refused in (1, 2):
        (folder / "old").write_text(OLD_KEY)
        body = f'{{"message": "neither {OLD_KEY} nor {KEY}"}}'
        sandbox.inject("status", status=401, times=refused, body=body)
        said += _say(folder, "-v", "--log-format", "json", "run", "--execute")
    assert not (folder / "old").exists()
    assert sum(entry.status == 401 for entry in sandbox.log) >= 3
    assert b"does not accept the credentials" in said
    assert _leaks(said, folder) == []


def _truths(sandbox: Sandbox) -> list[Truth]:
    return [truth for job_id in sandbox.job_ids() if (truth := sandbox.truth(job_id)) is not None]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize(
    "fault",
    [
        {"fault": "status", "status": 401, "body": f'{{"message": "bad key {KEY}"}}'},
        {
            "fault": "status",
            "status": 500,
            "body": f"Traceback: {KEY} {base64.b64encode(f'demo:{KEY}'.encode()).decode()}",
        },
        {
            "fault": "status",
            "status": 400,
            "endpoint": "job*.delete",
            "body": f'{{"errors": "no {KEY}"}}',
        },
        {"fault": "html", "body": f"<html>{KEY}</html>"},
        {"fault": "redirect", "to": f"https://elsewhere.invalid/?auth={KEY}"},
        {
            "fault": "redirect",
            "endpoint": "asset.*",
            "to": f"https://elsewhere.invalid/x?auth={KEY}",
        },
        {
            "fault": "lie",
            "endpoint": "jobs.list",
            "set": {"id": KEY, "owner": KEY, "end_time": KEY},
        },
        {"fault": "disconnect", "chance": 0.5},
        {"fault": "truncated", "endpoint": "asset.*"},
    ],
    ids=lambda fault: " ".join(str(value)[:12] for value in fault.values()),
)
def test_no_secret_is_left_behind_when_sauce_labs_says_it_back(
    world: tuple[Sandbox, Path], fault: dict[str, object]
) -> None:
    sandbox, folder = world
    sandbox.inject(
        str(fault["fault"]), **{key: value for key, value in fault.items() if key != "fault"}
    )
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace("retries: {", "retries: {attempts: 1, "))
    said = _say(folder, "-v", "--log-format", "json", "run", "--execute")
    assert _leaks(said, folder) == []
