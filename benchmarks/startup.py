"""How much CPU time commands take until they have answered, beside `import sqlalchemy`.

`--help` and completion load none of it. Commands that only read the state load SQLAlchemy, the
configuration's model and the state, and no HTTP client, web stack or metrics. Modules are compiled
before, as pip compiles them when it installs. Prints medians of 11 interleaved rounds, in
milliseconds of CPU (user and system), and ratios within this run.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

JANITOR = [sys.executable, "-m", "sauce_janitor"]
BASE = "import sqlalchemy"
COMMANDS = {
    "bare python": [sys.executable, "-c", "pass"],
    "import click": [sys.executable, "-c", "import click"],
    BASE: [sys.executable, "-c", BASE],
    "--help": [*JANITOR, "--help"],
    "completion bash": [*JANITOR, "completion", "bash"],
    "hold list": [*JANITOR, "hold", "list"],
    "status": [*JANITOR, "status"],
    "explain": [*JANITOR, "explain", "JOB"],
    "archive list": [*JANITOR, "archive", "list"],
}
ROUNDS = 11


def cpu_ms(command: list[str], folder: Path, compiled: Path) -> float:
    """Run the command in the folder; return the CPU time it took, in milliseconds.

    Compiled modules are kept in the folder `compiled`.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command,
        check=True,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PYTHONPYCACHEPREFIX": str(compiled),
            # Empty, because the environment may say that compiled modules are not kept.
            "PYTHONDONTWRITEBYTECODE": "",
        },
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def main() -> None:
    """Measure and print."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as name:
        compiled = Path(name) / "compiled"
        # A state and an archive with jobs: what is not there is read too fast.
        cpu_ms([*JANITOR, "demo"], Path(name), compiled)
        folder = Path(name) / "sauce-janitor-demo"
        job_id = next((folder / "archive").rglob("receipt.json")).parent.name
        # The first round only compiles.
        for number in range(ROUNDS + 1):
            for label, command in COMMANDS.items():
                asked = [job_id if word == "JOB" else word for word in command]
                used_ms = cpu_ms(asked, folder, compiled)
                if number:
                    taken[label].append(used_ms)
    medians = {label: statistics.median(times) for label, times in taken.items()}
    for label, median in medians.items():
        print(f"{label:18} {median:7.0f} ms CPU   {median / medians[BASE]:5.2f} x {BASE}")


if __name__ == "__main__":
    main()
