"""A simulated month of the daemon: reloads, restarts, a full disk, an outage; nothing missed,
doubled or leaked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "soak.py"


@pytest.mark.one_backend("the clock of one process runs ahead, and a server's does not")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("days", [10, pytest.param(30, marks=pytest.mark.thorough)])
def test_weeks_go_by_without_a_missed_or_doubled_action_and_with_flat_memory(days: int) -> None:
    """The short form of benchmarks/soak.py; it checks all of it itself."""
    ended = subprocess.run(
        [sys.executable, SCRIPT, "--days", str(days), "--every", "12h", "--jobs", "60"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1])["simulated_days"] >= days
