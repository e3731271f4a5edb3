"""Where tests stand, and whom they may import."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TOP = Path(__file__).parents[2]
TESTS = sorted((TOP / "tests").rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Yield the dotted name of each thing that a file imports, in functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # A relative import names its folder by dots only.
            module = ".".join(filter(None, ("." * node.level, node.module)))
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_nothing_imports_a_conftest_or_another_test() -> None:
    """pytest alone loads a conftest, and it may load it more than once: what several tests share
    stands in tests/support.
    """
    wrong = [
        f"{path.relative_to(TOP)} imports {name}"
        for path in TESTS
        for name in imported(path)
        if any(part == "conftest" or part.startswith("test_") for part in name.split("."))
    ]
    assert wrong == []


def test_the_support_of_tests_imports_no_tests() -> None:
    wrong = [
        f"{path.relative_to(TOP)} imports {name}"
        for path in TESTS
        if path.parent.name in {"support", "fakes"}
        for name in imported(path)
        if name.startswith("tests.") and name.split(".")[1] not in {"support", "fakes"}
    ]
    assert wrong == []


def test_each_folder_of_unit_tests_is_a_folder_of_the_package() -> None:
    unit = TOP / "tests/unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    assert [str(each) for each in folders if not (TOP / "sauce_janitor" / each).is_dir()] == []


def test_a_test_is_skipped_only_where_that_fails_in_ci() -> None:
    """By `tests.support.components.lacking`; what a file system does not do is no component."""
    skipping = {path.name for path in TESTS if "pytest." + "skip(" in path.read_text()}
    assert skipping == {"components.py", "test_crashes_and_disks.py"}
