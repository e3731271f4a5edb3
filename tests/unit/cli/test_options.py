"""Times that people give to commands."""

from __future__ import annotations

import click
import pytest

from sauce_janitor.cli.options import parse_end

NOW = 1_780_315_200  # 2026-06-01T12:00:00Z
DAY = 86_400


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("7d", NOW + 7 * DAY),
        ("90min", NOW + 5400),
        ("1mo", NOW + 30 * DAY),
        ("2026-06-08", NOW + 7 * DAY + DAY // 2),
        ("2026-06-02T12:00:00Z", NOW + DAY),
    ],
)
def test_an_end_is_a_time_from_now_a_day_or_a_moment(text: str, end: int) -> None:
    assert parse_end("--until", text, "UTC", now=NOW) == end


@pytest.mark.parametrize("text", ["7", "7x", "soon", "2026-13-01", ""])
def test_what_is_no_end_is_a_usage_error_that_names_the_option(text: str) -> None:
    with pytest.raises(click.UsageError, match=r"^--until "):
        parse_end("--until", text, "UTC", now=NOW)
