"""Packages whose names are imported when they are first used."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "sauce_janitor"
FACADES = sorted(
    path.parent.name for path in PACKAGE.glob("*/__init__.py") if "late_names(" in path.read_text()
)


def imported_for_types(tree: ast.Module, package: str) -> dict[str, str]:
    """Return the names of each module, as the package imports them `if TYPE_CHECKING`."""
    (branch,) = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        node.module.removeprefix(f"sauce_janitor.{package}."): " ".join(
            each.name for each in node.names
        )
        for node in branch.body
        if isinstance(node, ast.ImportFrom) and node.module
    }


def imported_late(tree: ast.Module) -> dict[str, str]:
    """Return the names of each module, as the package passes them to `late_names`."""
    (call,) = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "late_names"
    ]
    found: dict[str, str] = ast.literal_eval(call.args[1])
    return found


def test_there_are_facades() -> None:
    assert {"archive", "report"} <= set(FACADES)


@pytest.mark.parametrize("package", FACADES)
def test_a_facade_offers_at_run_time_what_it_offers_to_the_type_checker(package: str) -> None:
    tree = ast.parse((PACKAGE / package / "__init__.py").read_text())
    late = imported_late(tree)
    assert late == imported_for_types(tree, package)
    facade = importlib.import_module(f"sauce_janitor.{package}")
    for module, names in late.items():
        home = importlib.import_module(f"sauce_janitor.{package}.{module}")
        for name in names.split():
            assert getattr(facade, name) is getattr(home, name)
            assert name in facade.__all__
    assert all(hasattr(facade, name) for name in facade.__all__)


def test_a_name_that_a_facade_lacks_is_an_error_as_in_any_module() -> None:
    report = importlib.import_module("sauce_janitor.report")
    with pytest.raises(AttributeError, match=r"module 'sauce_janitor.report' has no attribute 'x'"):
        _ = report.x


@pytest.mark.parametrize("package", FACADES)
def test_to_import_a_facade_imports_none_of_its_modules(package: str) -> None:
    code = f"""
import sys, sauce_janitor.{package}
print(*[name for name in sys.modules if name.startswith("sauce_janitor.{package}.")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
