"""`sauce-janitor sandbox` as a process."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

PROGRAM = [sys.executable, "-m", "sauce_janitor", "sandbox"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_how_to_reach_it_and_ends_with_0_when_asked_to(
    tmp_path: Path, number: signal.Signals
) -> None:
    log = tmp_path / "requests.jsonl"
    options = [
        "--jobs",
        "120",
        "--user",
        "me",
        "--access-key",
        "s3 cret",
        "--request-log",
        str(log),
        "--rate",
        "2/h",
    ]
    options += ["--colleagues", "1"]
    with subprocess.Popen(
        [*PROGRAM, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, "it ended too early"
            said += line
        (base_url,) = set(re.findall(r"http://127\.0\.0\.1:\d+", said))
        with requests.Session() as session:
            session.trust_env = False
            statuses = [
                session.get(
                    f"{base_url}/rest/v1/me/jobs", auth=("me", "s3 cret"), timeout=20
                ).status_code
                for _ in range(3)
            ]
            colleague = ("colleague-001", "colleague-001-key")
            theirs = session.get(
                f"{base_url}/rest/v1/colleague-001/jobs", auth=colleague, timeout=20
            ).json()
        process.send_signal(number)
        _, errors = process.communicate(timeout=20)

    assert process.returncode == 0, errors
    assert statuses == [200, 200, 429]
    assert len(theirs) == 5
    assert "export SAUCE_USERNAME=me\n" in said
    assert "export SAUCE_ACCESS_KEY='s3 cret'\n" in said
    assert [json.loads(line)["status"] for line in log.read_text().splitlines()] == [*statuses, 200]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--behavior", "nope=1"], "no behavior 'nope'"),
        (["--behavior", "nope"], "KEY=VALUE"),
        (["--rate", "fast"], "a rate is like"),
        (["--jobs", "-1"], "-1"),
        (["--faults", "/nowhere.yaml"], "/nowhere.yaml"),
        (["--tls-certificate", "/nowhere.pem"], "/nowhere.pem"),
    ],
)
def test_options_that_cannot_be_meant_end_with_2_and_a_sentence(
    options: list[str], said: str
) -> None:
    done = subprocess.run(
        [*PROGRAM, *options], capture_output=True, text=True, timeout=30, check=False
    )

    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (2, True, False), (
        done.stderr
    )
