"""The workflows run what a developer runs, on every Python that is supported, with no more rights
than they need.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

TOP = Path(__file__).parents[2]
WORKFLOWS = sorted((TOP / ".github/workflows").glob("*.yml"))
MAY_WRITE = {
    ("release.yml", "image"): {"packages"},
    ("release.yml", "release"): {"contents"},
}
"""The only jobs that may change something at GitHub, and what."""


def load(path: Path) -> dict[str, Any]:
    """Return a workflow; YAML 1.1 reads its key `on` as true."""
    document = yaml.safe_load(path.read_text())
    assert isinstance(document, dict)
    return document


def jobs() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the file, the name and the text of each job of each workflow."""
    for path in WORKFLOWS:
        for name, job in load(path)["jobs"].items():
            yield path.name, name, job


def steps() -> Iterator[dict[str, Any]]:
    """Yield each step of each job; a job that calls another workflow has none."""
    for _, _, job in jobs():
        yield from job.get("steps", [])


def makefile_targets() -> set[str]:
    """Return what `make` can be asked for."""
    return set(re.findall(r"^([a-z-]+):", (TOP / "Makefile").read_text(), re.MULTILINE))


def test_ci_runs_on_every_supported_python() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    bounds = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"])
    assert bounds is not None
    supported = [f"3.{minor}" for minor in range(int(bounds[1]), int(bounds[2]))]
    assert (
        load(TOP / ".github/workflows/ci.yml")["jobs"]["test"]["strategy"]["matrix"]["python"]
        == supported
    )


def test_ci_runs_what_a_developer_runs_and_builds_what_a_release_publishes() -> None:
    commands = "\n".join(step.get("run", "") for step in steps())
    assert ".ci/run" in commands
    assert "make package" in commands
    assert "make test-thorough" in commands
    assert "docker build" in commands


def test_whatever_a_step_calls_exists() -> None:
    for step in steps():
        command = step.get("run", "")
        assert set(re.findall(r"\bmake ([a-z-]+)", command)) <= makefile_targets()
        for script in re.findall(r"(?<!\S)\.ci/[a-z-]+", command):
            assert (TOP / script).stat().st_mode & 0o111, f"{script} is not executable"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_reads_and_only_named_jobs_write(path: Path) -> None:
    assert load(path)["permissions"] == {"contents": "read"}
    for name, job in load(path)["jobs"].items():
        granted = {scope for scope, right in job.get("permissions", {}).items() if right == "write"}
        assert granted == MAY_WRITE.get((path.name, name), set()), name


def test_each_action_is_pinned_and_no_checkout_leaves_its_token_behind() -> None:
    actions = [step for step in steps() if "uses" in step]
    assert actions
    for step in actions:
        assert re.fullmatch(r"[\w/.-]+@(v\d+|[0-9a-f]{40})", step["uses"]), step["uses"]
        if step["uses"].startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


def test_no_script_of_a_step_is_made_of_text_that_a_stranger_can_choose() -> None:
    """A branch or a title that is pasted into a shell script can run commands; an environment
    variable cannot.
    """
    for step in steps():
        assert "${{" not in step.get("run", ""), step


def test_each_job_ends_in_time() -> None:
    for file, name, job in jobs():
        assert "uses" in job or job["timeout-minutes"] <= 120, f"{file}: {name}"


def test_a_release_waits_for_ci() -> None:
    release = load(TOP / ".github/workflows/release.yml")
    assert release["jobs"]["ci"]["uses"] == "./.github/workflows/ci.yml"
    assert "ci" in release["jobs"]["image"]["needs"]
    assert {"ci", "image"} <= set(release["jobs"]["release"]["needs"])


@pytest.mark.parametrize("name", ["bug.yml", "feature.yml"])
def test_an_issue_form_asks_each_question_once(name: str) -> None:
    form = yaml.safe_load((TOP / ".github/ISSUE_TEMPLATE" / name).read_text())
    assert form["name"]
    assert form["description"]
    questions = [field["id"] for field in form["body"] if field["type"] != "markdown"]
    assert len(questions) == len(set(questions))


def test_a_commit_is_checked_by_the_same_tools_in_the_same_versions_as_ci() -> None:
    config = yaml.safe_load((TOP / ".pre-commit-config.yaml").read_text())
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    entries = [re.sub(r" --[a-z-]+", "", hook["entry"]) for hook in hooks]
    recipe = re.search(r"^check: venv\n((?:\t.*\n)+)", (TOP / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    checked = [
        re.sub(r" --check| \.$", "", line.strip()).replace("$(BIN)", ".venv/bin").removesuffix(" .")
        for line in recipe[1].splitlines()
    ]
    assert entries == checked
    locked = (TOP / "requirements/dev.txt").read_text()
    for tool in ("ruff", "mypy", "import-linter"):
        assert re.search(rf"^{tool}==", locked, re.MULTILINE)


def test_contributing_explains_each_make_target() -> None:
    page = (TOP / "CONTRIBUTING.md").read_text()
    explained = set(re.findall(r"^\| `make ([a-z-]+)", page, re.MULTILINE))
    assert explained == makefile_targets() - {"venv"}
