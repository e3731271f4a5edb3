"""What the how-to guides and the tutorials tell people to type does what they say."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from sauce_janitor.state import State
from sauce_janitor.state.file.backup import back_up
from tests.support.containers import TOP

PAGE = "".join(
    page.read_text()
    for folder in ("how-to", "tutorials")
    for page in sorted(TOP.glob(f"docs/{folder}/*.md"))
)


def block(language: str, containing: str) -> str:
    """The one fenced block of that language with that text."""
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (found,) = [each for each in blocks if containing in each]
    return found


def shell(text: str, folder: Path) -> None:
    """Run it as a person would."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=folder, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def state_path(tmp_path: Path) -> Path:
    """A state with something in it."""
    path = tmp_path / "state.db"
    with State.open(path) as state:
        state.switch.pause(by="me", reason="before", at=1)
    return path


def test_the_backup_is_whole_though_the_state_is_in_use(state_path: Path, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    text = block("sh", "source.backup(copy)")
    text = text.replace("/var/lib/sauce-janitor", str(tmp_path)).replace(
        "/backup/", f"{tmp_path}/backup/"
    )
    with State.open(state_path) as state:
        state.switch.resume(by="me", at=2)  # still in the log beside the file
        shell(text, tmp_path)
    with State.open(tmp_path / "backup" / "state.db") as copy:
        copy.check_integrity()
        assert not copy.switch.is_paused()


def test_the_copy_made_before_a_migration_goes_back_in_place(
    state_path: Path, tmp_path: Path
) -> None:
    back_up(state_path, "0002")
    with State.open(state_path) as state:
        state.switch.resume(by="me", at=2)
    shell(block("sh", "state.db.schema-0002.backup"), tmp_path)
    assert state_path.stat().st_mode & 0o777 == 0o600
    with State.open(state_path) as state:
        assert state.switch.is_paused()
    with closing(sqlite3.connect(tmp_path / "newer" / "state.db")) as newer:
        assert newer.execute("SELECT count(*) FROM pauses WHERE resumed_at IS NULL").fetchone() == (
            0,
        )


def test_the_overlay_of_one_s_own_renders_with_its_image_and_configuration(
    component: Callable[[str], Path], tmp_path: Path
) -> None:
    text = block("yaml", "components/alerts").replace(
        "github.com/your/copy", os.path.relpath(TOP, tmp_path)
    )
    (tmp_path / "kustomization.yaml").write_text(text.replace("  # - ", "  - "))
    (tmp_path / "config.yaml").write_text("ours: true\n")
    (tmp_path / "policies.yaml").write_text("ours: too\n")
    done = subprocess.run(
        [component("kubectl"), "kustomize", tmp_path], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    objects = {each["kind"]: each for each in yaml.safe_load_all(done.stdout)}
    assert objects["ConfigMap"]["data"] == {
        "config.yaml": "ours: true\n",
        "policies.yaml": "ours: too\n",
    }
    (container,) = objects["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/sauce-janitor:0.1.0"
    assert container["args"] == ["serve", "--execute"]
    assert objects["PrometheusRule"]["metadata"]["namespace"] == "sauce-janitor"


def test_every_name_that_the_pages_give_of_the_cluster_s_objects_is_theirs() -> None:
    manifest = (TOP / "deploy/kubernetes/install.yaml").read_text()
    for name in ("sauce-janitor-credentials", "sauce-janitor-config"):
        assert name in PAGE
        assert name in manifest
    policy = yaml.safe_load(block("yaml", "CiliumNetworkPolicy"))
    labels = policy["spec"]["endpointSelector"]["matchLabels"]
    deployment = next(each for each in yaml.safe_load_all(manifest) if each["kind"] == "Deployment")
    assert labels.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert policy["metadata"]["namespace"] == deployment["metadata"]["namespace"]


def test_the_emergency_stop_works_as_kubectl_exec_runs_it(tmp_path: Path) -> None:
    """Without a terminal, without stdin, without a name or a home in the environment."""
    (line,) = re.findall(
        r"`kubectl -n sauce-janitor exec deploy/sauce-janitor -- (sauce-janitor pause [^`]+)`", PAGE
    )
    config = tmp_path / "config.yaml"
    config.write_text(
        "version: 1\n"
        "accounts: {eu: {region: eu-central-1, username: demo, access_key: {env: KEY}}}\n"
        "archive: {path: ./data/archive}\n"
        "state: {path: ./data/state.db}\n"
        "policies: [{name: old, match: all, then: {archive: none, delete_assets: 20d}}]\n"
    )
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "SAUCE_JANITOR_CONFIG": str(config), "KEY": "k"}
    done = subprocess.run(
        line.split(),
        cwd="/",
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Paused.")
    with State.open(tmp_path / "data" / "state.db") as state:
        pause = state.switch.paused()
    assert pause is not None
    assert pause.reason == "incident"
    assert (tmp_path / "data" / "archive" / ".sauce-janitor-pause").exists()
