"""The wheel and the source archive hold all that a user or a packager needs, and the wheel runs."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from sauce_janitor import __version__

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive of this tree."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [Path(sys.executable).with_name("hatchling"), "build", "--directory", folder],
        cwd=TOP,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder


def _package_files() -> set[str]:
    files = (path for path in (TOP / "sauce_janitor").rglob("*") if path.is_file())
    return {str(path.relative_to(TOP)) for path in files if path.suffix != ".pyc"}


def test_the_wheel_holds_each_file_of_the_package_and_the_licence(dist: Path) -> None:
    """Templates, pages, migrations and the sandbox's data are no Python, so that only a user would
    miss them.
    """
    with zipfile.ZipFile(dist / f"sauce_janitor-{__version__}-py3-none-any.whl") as wheel:
        names = set(wheel.namelist())
    info = f"sauce_janitor-{__version__}.dist-info"
    assert {name for name in names if not name.startswith(info)} == _package_files()
    assert {f"{info}/licenses/LICENSE", f"{info}/entry_points.txt"} <= names


def test_the_wheel_runs_on_its_own(dist: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(dist / f"sauce_janitor-{__version__}-py3-none-any.whl") as wheel:
        wheel.extractall(tmp_path)
    program = """
import runpy, sauce_janitor
print(sauce_janitor.__file__)
runpy.run_module("sauce_janitor", run_name="__main__")
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, "--version"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    where, version = done.stdout.splitlines()
    assert Path(where).is_relative_to(tmp_path)
    assert __version__ in version


def test_the_source_archive_holds_the_sources_the_tests_and_the_pages(dist: Path) -> None:
    with tarfile.open(dist / f"sauce_janitor-{__version__}.tar.gz") as archive:
        top = f"sauce_janitor-{__version__}/"
        names = {name.removeprefix(top) for name in archive.getnames()}
    assert _package_files() <= names
    assert {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "config.example.yaml",
        "docs/index.md",
        "tests/conftest.py",
    } <= names
