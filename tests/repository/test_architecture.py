"""docs/explanation/architecture.md draws the layers that import-linter checks, and no others."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs/explanation/architecture.md").read_text(encoding="utf-8")
CONTRACTS: list[dict[str, Any]] = tomllib.loads(
    (TOP / "pyproject.toml").read_text(encoding="utf-8")
)["tool"]["importlinter"]["contracts"]


def test_the_page_draws_every_contract_of_layers_as_it_is_checked() -> None:
    drawn = re.findall(r"(?m)^`(sauce_janitor[\w.]*)`:\n```\n((?:.+\n)+?)```$", PAGE)
    checked = [
        (container, "".join(f"{layer}\n" for layer in contract["layers"]))
        for contract in CONTRACTS
        if contract["type"] == "layers"
        for container in contract["containers"]
    ]
    assert drawn == checked


def test_the_page_names_every_other_contract() -> None:
    named = re.findall(
        r"(?m)^- (.+)$", PAGE.partition("\nOther contracts:\n\n")[2].partition("\n\n")[0]
    )
    assert named == [contract["name"] for contract in CONTRACTS if contract["type"] != "layers"]


def test_the_page_says_of_every_part_what_it_has() -> None:
    lines = re.findall(r"(?m)^- ((?:`\w+`(?:, )?)+): ", PAGE)
    told = {part for line in lines for part in re.findall(r"`(\w+)`", line)}
    package = TOP / "sauce_janitor"
    parts = {path.stem for path in package.glob("*.py") if path.stem != "__init__"}
    assert told == parts | {path.parent.name for path in package.glob("*/__init__.py")}


def test_the_files_that_the_page_names_are_there() -> None:
    named = re.findall(r"`([\w/]+(?:\.py|/))`", PAGE)
    assert [name for name in named if not (TOP / "sauce_janitor" / name).exists()] == []
    assert len(named) > 3
    assert [name for name in re.findall(r"`(tests/\w+)`", PAGE) if not (TOP / name).is_dir()] == []


def test_only_commands_and_the_daemon_itself_open_a_state() -> None:
    """Within one process, a second opening of a state's file ends SQLite's locks: other processes
    then remove the log that is still written to. All else works on the state that is open.
    """
    opening = re.compile(r"\bState\.(?:open|look|connect)\(")
    package = TOP / "sauce_janitor"
    found = {
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if opening.search(path.read_text(encoding="utf-8"))
    }
    outside = {name for name in found if not name.startswith(("cli/", "state/"))}
    assert outside == {"daemon/rounds.py"}
