"""A mistyped user name or address binds nothing; a renamed account keeps what is known of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sauce_janitor import inventory
from sauce_janitor.errors import CredentialsError, RefusedError
from tests.support.commands import Commands

POLICY = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: 1d, delete_job: 5d}}
"""


def _replace(desk: Commands, old: str, new: str) -> None:
    path = desk.folder / "config.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("receipt.json"))


@pytest.mark.parametrize("execute", [False, True])
def test_a_mistyped_user_name_is_corrected_and_nothing_of_it_is_left(
    open_desk: Callable[..., Commands], *, execute: bool
) -> None:
    desk = open_desk(jobs=6)
    desk.configure(POLICY)
    _replace(desk, "username: demo", "username: dmeo")
    with pytest.raises(CredentialsError):
        desk.run(execute=execute)
    assert not desk.state.accounts.all()["box"].is_bound
    _replace(desk, "username: dmeo", "username: demo")
    assert desk.run(execute=execute).plan.inventory == 6
    known = desk.state.accounts.all()["box"]
    assert (known.username, known.is_bound) == ("demo", True)
    assert desk.state.jobs.owners("box") == ("demo",)
    assert desk.run(execute=True).complete
    assert _files(desk.folder / "archive")


def test_a_user_who_has_no_jobs_binds_nothing_however_often_they_are_listed(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=0)
    desk.configure(POLICY)
    for _ in range(3):
        desk.run(execute=True)
    assert not desk.state.accounts.all()["box"].is_bound
    _replace(desk, "username: demo", "username: alice")
    (desk.folder / "alice.key").write_text("alice-key")
    desk.keep_key("{file: alice.key}")
    desk.run()
    assert desk.state.accounts.all()["box"].username == "alice"
    assert "demo" not in desk.state.jobs.owners("box")


def test_a_mismatch_names_both_the_line_and_the_command_that_fix_it(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=6)
    desk.configure(POLICY)
    desk.run()
    _replace(desk, "username: demo", "username: dmeo")
    with pytest.raises(RefusedError) as wrong:
        desk.run()
    said = str(wrong.value)
    assert said.startswith(
        f"account box is demo at {desk.sandbox.base_url} in this state, and the configuration says"
        " dmeo"
    )
    assert f"correct `username` of accounts.box ({desk.folder}/config.yaml:4)" in said
    assert "`sauce-janitor account rename box NEW-NAME`" in said
    desk.say("account", "rename", "box", "demos")
    with pytest.raises(CredentialsError):
        desk.run()
    _replace(desk, "username: dmeo", "username: demo")
    desk.state.runs.begin("r1", "demos", mode="execute", at=1)
    with pytest.raises(RefusedError, match="`sauce-janitor account rename demos box`"):
        desk.run(execute=True)


def test_a_wrong_address_of_a_bound_account_names_its_line(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=3)
    desk.configure(POLICY)
    desk.run()
    _replace(desk, f"base_url: {desk.sandbox.base_url}", "region: eu-central-1")
    with pytest.raises(RefusedError, match=r"correct `region` of accounts.box \(.*config.yaml:4\)"):
        desk.run()


def test_the_same_place_in_another_spelling_is_the_same_account(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=3)
    desk.configure(POLICY)
    desk.run()
    _replace(desk, "127.0.0.1", "localhost")
    assert desk.run().plan.inventory == 3


def test_a_renamed_account_goes_on_with_its_jobs_holds_and_copies(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=12)
    desk.configure(POLICY.replace("delete_job: 5d", "delete_job: 20d"))
    assert desk.run(execute=True).complete
    held = sorted(desk.state.jobs.of("box", "demo").known_within(0, 2**40, 1))  # type: ignore[arg-type]
    desk.say("hold", "add", held[0], "--reason", "why")
    before, sent = _files(desk.folder / "archive"), len(desk.sandbox.log)
    assert before
    said = desk.say("account", "rename", "box", "prod")
    assert "rename box there, too" in said.stderr
    _replace(desk, "  box: ", "  prod: ")
    desk.say("run", "--execute")
    assert [
        hold["account"] for hold in json.loads(desk.say("hold", "list", "--format", "json").stdout)
    ] == ["prod"]
    new = set(_files(desk.folder / "archive")) - set(before)
    assert all(held[0] in path for path in new), (
        "nothing but the held job is archived, and nothing twice"
    )
    fetched = [
        entry.path
        for entry in desk.sandbox.log[sent:]
        if "/assets/" in entry.path and entry.method == "GET"
    ]
    assert all(held[0] in path for path in fetched)
    desk.configure(POLICY)  # now the copies under the old key let the rest go
    _replace(desk, "  box: ", "  prod: ")
    gone = desk.deleted()
    desk.say("run", "--execute")
    assert desk.deleted() - gone
    assert held[0] not in desk.deleted()
    desk.say("prove")
    desk.say("archive", "verify")
    rows = json.loads(desk.say("archive", "list", "--account", "prod", "--format", "json").stdout)
    assert len(rows) >= len(before)
    assert all(row["path"].startswith("box/") for row in rows)
    assert json.loads(desk.say("explain", min(gone or desk.deleted()), "--format", "json").stdout)
    listed = json.loads(desk.say("account", "list", "--format", "json").stdout)
    assert [(row["account"], row["is_bound"], row["archive_folder"]) for row in listed] == [
        ("prod", True, "box")
    ]


def test_a_rename_is_refused_while_a_run_works_and_where_it_can_never_fit(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk(jobs=3)
    desk.configure(POLICY)
    desk.run()
    with desk.state.lease("box", "run 1", now=1):
        desk.say("account", "rename", "box", "prod", code=5)
    desk.say("account", "rename", "xob", "prod", code=3)
    desk.say("account", "rename", "box", "box", code=3)
    desk.say("account", "rename", "box", "Not a name", code=2)
    _replace(
        desk,
        "  box: ",
        "  other: {region: us-west-1, username: alice, access_key: {env: KEY}}\n  box: ",
    )
    desk.say("account", "rename", "box", "other", code=3)
    assert list(desk.state.accounts.all()) == ["box"]


def test_a_listing_does_not_bind_an_account_that_was_corrected_meanwhile(
    open_desk: Callable[..., Commands], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else one user's jobs bind the account to another user, and the plan is of what is left of a
    listing.
    """
    desk = open_desk(jobs=6)
    desk.configure(POLICY)
    listed = inventory.sync

    def corrected(*told: Any, **more: Any) -> inventory.SyncReport:
        report = listed(*told, **more)
        url = desk.sandbox.base_url
        assert desk.state.accounts.admit("box", base_url=url, username="alice") is None, (
            "it is not bound yet"
        )
        return report

    monkeypatch.setattr(inventory, "sync", corrected)
    with pytest.raises(
        RefusedError, match="was given another user, address or name while its jobs were listed"
    ):
        desk.run(execute=True)
    known = desk.state.accounts.all()["box"]
    assert (known.username, known.is_bound) == ("alice", False)
    assert desk.writes() == []
