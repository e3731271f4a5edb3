"""A changed configuration is taken up between runs, however it was changed; one that is not valid
leaves the last good one.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog

from sauce_janitor.config import load
from sauce_janitor.daemon.config_watch import FollowedConfig

BASE = "accounts: {eu: {region: eu, username: demo, access_key: {env: KEY}}}\nworkers: WORKERS\n"


def text(workers: int, more: str = "") -> str:
    return BASE.replace("WORKERS", str(workers)) + more


def followed(file: Path) -> FollowedConfig:
    return FollowedConfig(load(file))


def looked(one: FollowedConfig) -> bool:
    """Whether any of three looks took another configuration up: the first sees a change, the second
    that it stays.
    """
    return sum(one.look() for _ in range(3)) > 0


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "config.yaml"
    made.write_text(text(1))
    return made


def rewritten(file: Path) -> None:
    file.write_text(text(2, "# longer\n"))


def replaced(file: Path) -> None:
    (file.parent / "new").write_text(text(2))
    (file.parent / "new").replace(file)


def same_size_and_time(file: Path) -> None:
    was = file.stat()
    (file.parent / "new").write_text(text(2))
    os.utime(file.parent / "new", ns=(was.st_atime_ns, was.st_mtime_ns))
    (file.parent / "new").replace(file)


@pytest.mark.parametrize("change", [rewritten, replaced, same_size_and_time])
def test_a_changed_file_is_taken_up(file: Path, change: Callable[[Path], None]) -> None:
    one = followed(file)
    assert not looked(one)
    change(file)
    assert looked(one)
    assert one.config.workers == 2
    assert not looked(one)


def test_a_configmap_that_is_swapped_under_its_link_is_taken_up(tmp_path: Path) -> None:
    for version, workers in (("..v1", 1), ("..v2", 2)):
        (tmp_path / version).mkdir()
        (tmp_path / version / "config.yaml").write_text(text(workers))
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "config.yaml").symlink_to("..data/config.yaml")
    one = followed(tmp_path / "config.yaml")
    (tmp_path / "..data_tmp").symlink_to("..v2")
    (tmp_path / "..data_tmp").rename(tmp_path / "..data")
    assert looked(one)
    assert one.config.workers == 2


def test_a_file_that_is_still_being_written_is_not_taken_up(file: Path) -> None:
    one = followed(file)
    with file.open("w") as writing:
        for line in (
            "accounts: {eu: {region: eu, ",
            "username: demo, ",
            "access_key: {env: KEY}}}\n",
            "workers: 2\n",
        ):
            writing.write(line)
            writing.flush()
            assert not one.look()
            assert not one.faults
    assert looked(one)
    assert one.config.workers == 2


def test_one_that_is_not_valid_is_told_once_and_leaves_the_last_good_one(file: Path) -> None:
    one = followed(file)
    with structlog.testing.capture_logs() as logs:
        file.write_text(text(2, "wokers: 3\n"))
        assert not looked(one)
        assert not looked(one)
        assert one.config.workers == 1
        assert one.faults == (f"{file}:3: wokers: unknown key `wokers`; did you mean `workers`?",)
        file.write_text(text(2))
        assert looked(one)
    assert not one.faults
    assert one.config.workers == 2
    events = [line["event"] for line in logs if line["event"] != "config.warning"]
    assert events == ["config.reload_failed", "config.reloaded"]


def test_going_back_to_what_is_in_force_mends_it(file: Path) -> None:
    one = followed(file)
    file.write_text("accounts: [")
    looked(one)
    assert one.faults
    file.write_text(text(1))
    looked(one)
    assert not one.faults


def test_a_file_that_is_gone_leaves_the_last_good_one_until_it_is_back(file: Path) -> None:
    one = followed(file)
    file.unlink()
    assert not looked(one)
    assert "there is no such file" in one.faults[0]
    file.write_text(text(2))
    assert looked(one)
    assert not one.faults
    assert one.config.workers == 2


def test_included_files_are_followed_too_also_new_ones(tmp_path: Path) -> None:
    folder = tmp_path / "teams"
    folder.mkdir()
    policy = (
        "policies: [{name: NAME, match: {name: NAME}, then: {archive: none, delete_job: 3d}}]\n"
    )
    (folder / "a.yaml").write_text(policy.replace("NAME", "a"))
    file = tmp_path / "config.yaml"
    file.write_text(text(1, "include: teams/*.yaml\n"))
    one = followed(file)
    (folder / "a.yaml").write_text(policy.replace("NAME", "changed"))
    assert looked(one)
    (folder / "b.yaml").write_text(policy.replace("NAME", "b"))
    assert looked(one)
    assert [policy.name for policy in one.config.rules("eu").policies] == ["changed", "b"]


def test_a_file_that_was_only_touched_is_no_change(file: Path) -> None:
    one = followed(file)
    os.utime(file, ns=(1, 1))
    assert not looked(one)


def test_who_asks_for_it_gets_it_at_once(file: Path) -> None:
    one = followed(file)
    file.write_text(text(2))
    assert one.look(at_once=True)
    assert one.config.workers == 2
