"""An organization as its admin has it: everybody's jobs, some with keys of their own, beside an
account that fails.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import termios

from tests.support.processes import PROGRAM, Processes

CONFIG = """
version: 1
accounts:
  box:
    base_url: BASE_URL
    users: [organization]
    credentials: [{owner: alice, access_key: {command: [cat, alice.key]}}]
  broken: {base_url: BASE_URL, username: nobody, access_key: {env: NOT_THE_KEY}}
archive: {path: ./archive}
state: {path: ./state.db}
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: {after: 1h, assets: [log.json], discard: rest}, delete_job: 20d}}
"""


def test_an_organization_is_cleaned_up_whatever_another_account_does(desk: Processes) -> None:
    desk.configure(CONFIG)
    desk.environment["NOT_THE_KEY"] = "canary-of-nobody-4711"
    (desk.folder / "alice.key").write_text("alice-key\n")
    done = desk.run("--log-format", "json", "run", "--execute", "--format", "json", code=2)
    (box,) = json.loads(done.stdout)
    assert set(box["owners"]) == {
        "demo",
        "alice",
        "bob",
        "sso-nightly-bot",
        "jörg.weiß+qa@example.com",
    }
    assert (box["complete"], box["left_out"], box["owners_missing"]) == (True, [], [])
    assert "sauce-janitor: broken: " in done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    (resolved,) = [event for event in events if event["event"] == "owners.resolved"]
    assert (resolved["owners"], resolved["how"]) == (box["owners"], "by team management")
    paths = [path.split("/") for path in desk.storage.archive.jobs()]
    folders = {owner for account, owner, *_ in paths if account == "box"}
    assert folders == {
        "demo",
        "alice",
        "bob",
        "sso-nightly-bot",
        "j%c3%b6rg.wei%c3%9f+qa@example.com",
    }
    assert {entry["user"] for entry in desk.sandbox.writes()} == {"demo", "alice"}
    assert not [
        word
        for word in ("alice-key", "canary-of-nobody", "demo-key")
        if word in done.stdout + done.stderr
    ]
    desk.run("prove")


def test_insights_fits_the_terminal_and_the_spreadsheet(desk: Processes) -> None:
    desk.configure(CONFIG)
    asked = ("insights", "tests", "--account", "box", "--time-range", "40d", "--limit", "20")
    rows = list(csv.DictReader(io.StringIO(desk.run(*asked, "--format", "csv").stdout)))
    assert len(rows) == 20
    main, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 72, 0, 0))
    with subprocess.Popen(
        [*PROGRAM, *asked],
        cwd=desk.folder,
        env={**desk.environment, "TERM": "xterm", "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=terminal,
        stderr=subprocess.DEVNULL,
    ) as process:
        os.close(terminal)
        shown = b""
        while chunk := _read(main):
            shown += chunk
    os.close(main)
    assert process.returncode == 0
    lines = re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).splitlines()
    assert max(map(len, lines)) <= 72
    assert all(any(row["id"][:8] in line for line in lines) for row in rows)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""
