"""The image, built from the Dockerfile and run without a Docker engine."""

from __future__ import annotations

import secrets
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

TOP = Path(__file__).parents[2]
IMAGE = "localhost/sauce-janitor:test"
CLUSTER_IMAGE = "localhost/sauce-janitor:cluster"
"""Built with PACKAGES=cluster."""
SOMEBODY = 54_321
"""A user that no /etc/passwd knows, as a cluster may choose one."""


@dataclass
class Engine:
    """podman beside the image; what it started is removed at the end."""

    started: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, code: int = 0, timeout: float = 120) -> str:
        """`podman ARGUMENTS…`; what it printed on both streams."""
        done = subprocess.run(
            [str(TOP / ".ci/image"), "podman", *arguments],
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=timeout, check=False,
        )  # fmt: skip
        assert done.returncode == code, (
            f"podman {arguments} ended {done.returncode}, not {code}\n{done.stdout}"
        )
        return done.stdout

    def start(self, *arguments: str) -> str:
        """Start a container in the background; its name."""
        name = f"test-{secrets.token_hex(6)}"
        self.started.append(name)
        self("run", "--detach", "--name", name, *arguments)
        return name

    def close(self) -> None:
        """Remove what was started."""
        for name in self.started:
            self("rm", "--force", "--ignore", "--time", "1", name)


HARDENED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop",
    "all",
    "--security-opt",
    "no-new-privileges",
    "--user",
    f"{SOMEBODY}:0",
    "--memory",
    "512m",
)
"""As the Pod Security Standard `restricted` runs it, and no file system writable but the one that
is mounted.
"""
