"""Log lines cannot be forged, coloured or reordered by text that comes from Sauce Labs."""

from __future__ import annotations

import json

import pytest
import structlog

from sauce_janitor import logs


def test_a_job_name_cannot_forge_a_line_or_drive_the_terminal() -> None:
    assert logs.printable("login\n2026 job.deleted\x1b[2J\u202etxt\u200b") == "login2026 job.deleted[2Jtxt"


def test_json_lines_hold_one_event_each_with_hostile_text_cleaned(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    structlog.get_logger().info("job.kept", name="a\nb", tags=["x\x1b[31m"], nested={"k\r": "v\u2028"})
    structlog.get_logger().debug("not.shown")
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event["event"] == "job.kept"
    assert (event["name"], event["tags"], event["nested"]) == ("ab", ["x[31m"], {"k": "v"})


def test_console_lines_have_no_colour_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info", color=False)
    structlog.get_logger().warning("run.finished", account="eu")
    line = capsys.readouterr().err
    assert "run.finished" in line
    assert "\x1b" not in line
