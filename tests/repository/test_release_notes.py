"""`.ci/release-notes` prints the changelog's section of a tag, or says why there is none yet."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci/release-notes"
CHANGELOG = (
    "# Changelog\n\nFor users.\n\n## 0.2.0 (2027-01-02)\nNew.\n\n### Safety\n- Keeps more.\n\n##"
    " 0.1.0\nOld.\n"
)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with the script, version 0.2.0 and a changelog."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(SCRIPT, tmp_path / ".ci")
    (tmp_path / "sauce_janitor").mkdir()
    (tmp_path / "sauce_janitor/__init__.py").write_text('"""It."""\n\n__version__ = "0.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    return tmp_path


def notes(tree: Path, tag: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tree / ".ci/release-notes", tag], capture_output=True, text=True, check=False, timeout=60
    )


def test_the_notes_are_the_section_of_the_version(tree: Path) -> None:
    done = notes(tree, "v0.2.0")
    assert (done.returncode, done.stdout) == (0, "New.\n\n### Safety\n- Keeps more.\n")


def test_a_tag_of_another_version_is_refused(tree: Path) -> None:
    done = notes(tree, "v0.1.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "The tag is v0.1.0, but sauce_janitor/__init__.py has version 0.2.0" in done.stderr


@pytest.mark.parametrize(
    "changelog",
    [
        "# Changelog\n\n## Unreleased\nNew.\n",
        CHANGELOG.replace("New.\n\n### Safety\n- Keeps more.\n", ""),
    ],
    ids=["no section", "an empty section"],
)
def test_a_version_without_entries_is_refused(tree: Path, changelog: str) -> None:
    (tree / "CHANGELOG.md").write_text(changelog)
    done = notes(tree, "v0.2.0")
    assert (done.returncode, done.stdout) == (1, "")
    assert "CHANGELOG.md has no entries for 0.2.0" in done.stderr


def test_entries_that_would_ship_without_a_word_are_refused(tree: Path) -> None:
    (tree / "CHANGELOG.md").write_text(
        CHANGELOG.replace("## 0.2.0", "## Unreleased\n- More.\n\n## 0.2.0")
    )
    done = notes(tree, "v0.2.0")
    assert done.returncode == 1
    assert 'entries under "Unreleased"' in done.stderr


def test_an_empty_heading_for_what_comes_next_is_fine(tree: Path) -> None:
    (tree / "CHANGELOG.md").write_text(CHANGELOG.replace("## 0.2.0", "## Unreleased\n\n## 0.2.0"))
    assert notes(tree, "v0.2.0").returncode == 0


def test_this_tree_has_a_changelog_that_the_script_can_cut() -> None:
    """Before a release all entries are under "Unreleased"; the script says how to go on."""
    done = notes(SCRIPT.parents[1], "v0.0.0")
    assert done.returncode == 1
    assert "tag v" in done.stderr
