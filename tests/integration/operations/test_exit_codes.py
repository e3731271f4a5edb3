"""What a run ends with when part of it was refused: that nothing was touched is only said when it
is true.
"""

from __future__ import annotations

import errno
import json
import os
import stat
import tempfile
from collections.abc import Callable

import pytest

from sauce_janitor.sandbox.core.request_log import LoggedRequest
from tests.support.commands import Commands

POLICIES = """
limits: {max_percent: null}
policies: [{name: old, match: all, then: {archive: none, delete_assets: 5d}}]
"""


def _with_a_second_account(desk: Commands) -> None:
    desk.configure(POLICIES)
    path = desk.folder / "config.yaml"
    second = (
        f"\n  other: {{base_url: {desk.sandbox.base_url}, username: alice, access_key: {{env:"
        " KEY}}\narchive:"
    )
    path.write_text(path.read_text().replace("\narchive:", second))
    desk.state.accounts.admit("other", base_url=desk.sandbox.base_url, username="somebody-else")
    desk.state.accounts.bind(desk.state.accounts.all()["other"], at=0)


def test_one_account_refused_and_another_carried_out_is_incomplete(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    _with_a_second_account(desk)
    said = desk.say("run", "--execute", code=4)
    assert "somebody-else" in said.stderr
    assert desk.deleted()


@pytest.mark.parametrize(
    ("access_key", "state", "code"),
    [("{env: NONE}", "refused", 2), ("wrong", "refused", 2), ("right", "silent", 4)],
)
def test_of_several_accounts_the_worst_end_is_told_and_one_that_fails_stops_no_other(
    open_desk: Callable[..., Commands], access_key: str, state: str, code: int
) -> None:
    desk = open_desk()
    _with_a_second_account(desk)
    (desk.folder / "key").write_text("bob-key" if access_key == "right" else access_key)
    third = access_key if "env" in access_key else "{file: key}"
    path = desk.folder / "config.yaml"
    account = (
        f"\n  aaa: {{base_url: {desk.sandbox.base_url}, username: bob, access_key: {third},"
        " retries: {attempts: 1}}"
    )
    path.write_text(path.read_text().replace("accounts:", f"accounts:{account}", 1))
    if state == "silent":
        desk.sandbox.inject("status", endpoint="jobs.list", user="bob", status=503)
    said = desk.say("run", "--execute", code=code)
    assert "sauce-janitor: aaa: " in said.stderr
    assert "sauce-janitor: other: " in said.stderr
    assert desk.deleted(), "and the third is carried out"


def test_accounts_that_are_all_refused_are_refused(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    _with_a_second_account(desk)
    desk.state.switch.pause(by="t", reason="t", at=0)
    desk.say("run", "--execute", code=3)
    assert desk.writes() == []


def test_a_pause_in_the_middle_of_a_run_leaves_it_incomplete(
    open_desk: Callable[..., Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    add = desk.sandbox.log.add

    def pause(entry: LoggedRequest) -> None:
        add(entry)
        if entry.method == "DELETE":
            desk.state.switch.pause(by="t", reason="t", at=0)

    monkeypatch.setattr(desk.sandbox.log, "add", pause)
    desk.say("run", "--execute", code=4)
    assert 0 < len(desk.deleted()) <= desk.config.workers


LIMITED = POLICIES.replace("null", "5")


def test_a_plan_that_breaks_a_limit_ends_with_3_where_the_exit_code_is_detailed(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(LIMITED)
    said = desk.say("plan", "--detailed-exitcode", code=3)
    first, second = said.stdout.splitlines()[:2]
    assert first.startswith("box: demo at ")
    assert second.startswith("Limit broken: max_percent is 5 %")
    assert json.loads(desk.say("plan", "--detailed-exitcode", "--format", "json", code=3).stdout)[
        "limits_broken"
    ]
    desk.say("plan")
    desk.say("run", "--detailed-exitcode", code=3)
    desk.configure(POLICIES)
    desk.say("plan", "--detailed-exitcode", code=7)


@pytest.mark.parametrize("place", ["missing/plan.json", "file/plan.json", "folder", "device"])
def test_a_plan_file_that_cannot_be_written_is_refused_before_anything_is_asked(
    open_desk: Callable[..., Commands], place: str
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    (desk.folder / "file").touch()
    (desk.folder / "folder").mkdir()
    os.mkfifo(desk.folder / "device")
    said = desk.say("plan", "--out", str(desk.folder / place), code=2)
    assert list(desk.sandbox.log) == []
    assert not said.stdout
    assert stat.S_ISFIFO((desk.folder / "device").stat().st_mode)


def test_a_plan_file_in_a_folder_without_the_right_to_write_is_refused_before_anything_is_asked(
    open_desk: Callable[..., Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rights mean nothing to root, who may run this test: the system's answer is given instead."""
    desk = open_desk()
    desk.configure(POLICIES)
    monkeypatch.setattr(tempfile, "mkstemp", _read_only)
    said = desk.say("run", "--out", str(desk.folder / "plan.json"), code=2)
    assert list(desk.sandbox.log) == []
    assert not said.stdout


def _read_only(**_: object) -> tuple[int, str]:
    raise OSError(errno.EROFS, "Read-only file system")


def test_a_plan_file_that_is_there_is_replaced_and_nothing_else_is_left(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    target = desk.folder / "plan.json"
    target.write_text("an older one")
    desk.say("plan", "--out", str(target))
    assert json.loads(target.read_text())["effects"]["jobs"]["assets_deleted"] > 0
    assert list(desk.folder.glob(".plan.json.*")) == []
