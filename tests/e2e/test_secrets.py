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
from tests.support.backends import DATABASE_PASSWORD, Storage
from tests.support.processes import POLICIES, PROGRAM, LoggedSandbox, Processes
from tests.support.seaweedfs import SECRET

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
def sandbox() -> Iterator[Sandbox]:
    behaviours = replace(Behaviours(), access_key_in_config="plain", asset_redirect="on")
    with Sandbox(SandboxOptions(jobs=24, access_key=KEY, behaviours=behaviours)) as sandbox:
        for job_id in sandbox.job_ids():
            deep = {
                "sauce:options": {"accessKey": NESTED, "args": [{"access_key": NESTED}]},
                "accesskey": KEY,
            }
            sandbox.edit(job_id, video_secret=VIDEO_SECRET, base_config=deep)
        yield sandbox


@pytest.fixture
def desk(tmp_path: Path, sandbox: Sandbox, storage: Storage) -> Processes:
    made = Processes(tmp_path / "desk", LoggedSandbox(sandbox.base_url, Path()), storage)
    made.configure(POLICIES.replace("{base_url: BASE_URL}", SETTINGS))
    made.environment["SAUCE_ACCESS_KEY"] = KEY
    return made


def _say(desk: Processes, *arguments: str) -> bytes:
    done = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=desk.folder,
        env=desk.environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    return done.stdout + done.stderr


def _leaks(said: bytes, desk: Processes) -> list[str]:
    places = {"its output": said} | desk.storage.contents()
    places |= {
        str(path.relative_to(desk.folder)): path.read_bytes()
        for path in desk.folder.rglob("*")
        if path.is_file()
    }
    canaries = [("key", KEY), ("old key", OLD_KEY), ("video", VIDEO_SECRET), ("nested", NESTED)]
    canaries += [("database", DATABASE_PASSWORD), ("bucket", SECRET)]
    secrets = {name: _forms(value) for name, value in canaries}
    secrets["signed address"] = {b"?auth=", b"&auth=", b"%3Fauth%3D"}
    return [
        f"{name} in {place}"
        for place, data in places.items()
        for name, forms in secrets.items()
        if any(form in data for form in forms)
    ]


@pytest.mark.on_change("cluster")
def test_no_secret_is_left_behind_by_a_whole_run(sandbox: Sandbox, desk: Processes) -> None:
    said = b"".join(
        _say(desk, *arguments)
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
    left = {path.name for path in desk.folder.iterdir()} | set(desk.storage.contents())
    kept = {"state.db", "state.db.budget"} if "state.db" in left else {"journal", "jobs"}
    assert {"metrics.prom", "plan.json"} | kept <= left, "each was there to be looked into"
    assert {KEY, NESTED, VIDEO_SECRET} <= set(
        _texts([entry.document for entry in _truths(sandbox)])
    ), "they were there"
    assert b"canary" not in said
    stored = desk.storage.archive.jobs()
    assert any("/assets/" in path for path in stored), "assets came by their signed addresses"
    assert _leaks(said, desk) == []


def test_a_key_that_was_changed_is_left_behind_neither_old_nor_new(
    sandbox: Sandbox, desk: Processes
) -> None:
    """Nor in what is said when the second one is refused, too."""
    said = b""
    for refused in (1, 2):
        (desk.folder / "old").write_text(OLD_KEY)
        body = f'{{"message": "neither {OLD_KEY} nor {KEY}"}}'
        sandbox.inject("status", status=401, times=refused, body=body)
        said += _say(desk, "-v", "--log-format", "json", "run", "--execute")
    assert not (desk.folder / "old").exists()
    assert sum(entry.status == 401 for entry in sandbox.log) >= 3
    assert b"does not accept the credentials" in said
    assert _leaks(said, desk) == []


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
    sandbox: Sandbox, desk: Processes, fault: dict[str, object]
) -> None:
    sandbox.inject(
        str(fault["fault"]), **{key: value for key, value in fault.items() if key != "fault"}
    )
    config = desk.folder / "config.yaml"
    config.write_text(config.read_text().replace("retries: {", "retries: {attempts: 1, "))
    said = _say(desk, "-v", "--log-format", "json", "run", "--execute")
    assert _leaks(said, desk) == []
