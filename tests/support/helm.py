"""Helm's own Go code, in a process of its own: what it makes of the chart, and what it says of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.containers import TOP
from tests.support.manifests import Object

CHART = TOP / "deploy/helm/sauce-janitor"
_ASK = """
import json, sys
import helm_python as helm

asked = json.load(sys.stdin)
said = {"lint": helm.lint(asked["chart"], asked["values"], strict=True), "files": {}, "error": ""}
with helm.Chart.load(asked["chart"]) as chart:
    try:
        chart.validate_schema(asked["values"])
        names = {"name": asked["release"], "namespace": asked["release"]}
        said["files"] = chart.render(asked["values"], **names)
    except helm.HelmError as error:
        said["error"] = str(error)
print(json.dumps(said))
"""


@dataclass(frozen=True)
class Rendered:
    """`objects` of all templates, and `notes` for the person who installs it. `findings` are those of
    `helm lint --strict`; `error` is why nothing was rendered.
    """

    objects: list[Object]
    notes: str
    findings: tuple[str, ...]
    error: str


class Helm:
    """`helm template` and `helm lint`, by the library of which that program is made."""

    def __init__(self, component: Callable[[str], Path]) -> None:
        self._python = component("helm-python")

    def render(self, release: str = "sauce-janitor", **values: Any) -> Rendered:
        """Return what the chart is with these values."""
        asked = {"chart": str(CHART), "release": release, "values": values}
        done = subprocess.run(
            [self._python, "-c", _ASK],
            input=json.dumps(asked), capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        notes = said["files"].pop(f"{CHART.name}/templates/NOTES.txt", "")
        texts = [yaml.safe_load_all(text) for text in said["files"].values()]
        return Rendered(
            [each for objects in texts for each in objects if each is not None],
            notes,
            tuple(said["lint"]["errors"]),
            said["error"],
        )
