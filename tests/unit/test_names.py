"""One word, one thing: a class name exists once, and a module is a noun."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import sauce_janitor

PACKAGE = Path(sauce_janitor.__file__).parent
ACCEPTED = {"listing", "archive_listing", "matching", "offboarding", "archive_pruning"}
"""Gerunds that are accepted names of things."""


def _modules() -> Iterator[Path]:
    return (path for path in sorted(PACKAGE.rglob("*.py")) if "migrations" not in path.parts)


def test_a_class_name_is_defined_once() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_no_module_is_named_after_an_activity() -> None:
    gerunds = {path.stem for path in _modules() if path.stem.endswith("ing")}
    assert gerunds <= ACCEPTED


def test_a_folder_holds_at_most_twenty_modules() -> None:
    folders: dict[Path, int] = defaultdict(int)
    for path in _modules():
        folders[path.parent] += path.stem != "__init__"
    assert {str(folder): number for folder, number in folders.items() if number > 20} == {}


def test_no_protocol_has_only_properties() -> None:
    """Where only values are meant, the dataclass that has them is named."""
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases):
                functions = [part for part in node.body if isinstance(part, ast.FunctionDef)]
                plain = [each for each in functions if not each.decorator_list]
                assert plain, f"{path.relative_to(PACKAGE)}: {node.name}"
