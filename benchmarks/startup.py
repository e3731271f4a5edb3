"""How long `sauce-janitor --help` takes, beside a bare Python and beside a client that imports all
it may need at the top.

Prints medians of 11 interleaved rounds and ratios within this run.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "bare python": [sys.executable, "-c", "pass"],
    "import click": [sys.executable, "-c", "import click"],
    "--help": [sys.executable, "-m", "sauce_janitor", "--help"],
    "everything at the top": [
        sys.executable,
        "-c",
        (
            "import click, requests, apscheduler.schedulers.background, sqlalchemy, pydantic,"
            " rich.table, structlog, alembic, yaml"
        ),
    ],
}
ROUNDS = 11


def main() -> None:
    """Measure and print."""
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(ROUNDS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            seconds[name].append(time.perf_counter() - began)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    for name, median in medians.items():
        print(
            f"{name:24} {median * 1000:7.1f} ms   {median / medians['bare python']:5.2f} x bare"
            " python"
        )
    print(
        "everything at the top / --help:"
        f" {medians['everything at the top'] / medians['--help']:.2f}"
    )


if __name__ == "__main__":
    main()
