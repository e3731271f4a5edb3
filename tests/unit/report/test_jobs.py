"""One job on the screen, as the lists show it."""

from __future__ import annotations

import io

from rich.console import Console

from sauce_janitor import report
from tests.support.jobs import job


def test_an_ended_job_has_the_status_that_lists_show() -> None:
    out = Console(file=io.StringIO(), width=100)
    report.show_document(out, job("a", status="failed"), {"status": "complete", "passed": False})
    file = out.file
    assert isinstance(file, io.StringIO)
    (line,) = [line for line in file.getvalue().splitlines() if line.startswith("status")]
    assert line.split() == ["status", "failed"]
