"""Log lines cannot be forged, coloured or reordered by text that comes from Sauce Labs."""

from __future__ import annotations

import json
import logging

import pytest
import structlog

from sauce_janitor import logs


def test_json_lines_hold_one_event_each_with_hostile_text_cleaned(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("json", "info")
    structlog.get_logger().info(
        "job.kept", name="a\nb", tags=["x\x1b[31m"], nested={"k\r": "v\u2028"}
    )
    structlog.get_logger().debug("not.shown")
    [line] = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event["event"] == "job.kept"
    assert (event["name"], event["tags"]) == (r"a\nb", [r"x\u001b[31m"])
    assert event["nested"] == {r"k\r": r"v\u2028"}


def test_the_trace_of_an_error_shows_no_byte_of_its_message_raw(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for log_format in ("json", "console"):
        logs.configure(log_format, "info", color=False)
        try:
            raise ValueError("a name\x1b]0;owned\x07")
        except ValueError:
            structlog.get_logger().exception("run.failed")
    shown = capsys.readouterr().err
    assert shown.count("u001b]0;owned") == 2
    assert not {"\x1b", "\x07"}.intersection(shown)


def test_what_the_report_tells_is_not_logged_and_not_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure("json", "info", reported={"job.assets_lost"})
    structlog.get_logger().warning("job.assets_lost", job_id="a")
    structlog.get_logger().warning("log.repeated", of="job.assets_lost", count=9)
    structlog.get_logger().warning("log.repeated", of="asset.odd", count=9)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["of"] == "asset.odd"


def test_what_libraries_log_is_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("json", "info")
    logging.getLogger("a.library").warning("odd header: %s", "a\nb\x1b[2J")
    assert capsys.readouterr().err == "WARNING:a.library:odd header: a\\nb\\u001b[2J\n"


def test_console_lines_have_no_colour_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info", color=False)
    structlog.get_logger().warning("run.finished", account="eu")
    line = capsys.readouterr().err
    assert "run.finished" in line
    assert "\x1b" not in line
