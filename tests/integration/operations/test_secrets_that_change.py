"""Secrets are read when a run begins, and once more when Sauce Labs refuses them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sauce_janitor.errors import CredentialsError
from tests.support.commands import Commands

POLICIES = """
limits: {max_percent: null}
policies:
  - {name: old, match: all, then: {archive: none, delete_assets: 20d}}
"""


def answers(desk: Commands) -> list[int | None]:
    return [entry.status for entry in desk.sandbox.log]


def test_a_key_that_changes_while_a_run_begins_does_not_end_it(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    script = (
        f"test -e seen && echo {desk.sandbox.access_key} || {{ touch seen; echo"
        " the-key-of-yesterday; }"
    )
    desk.configure(POLICIES)
    desk.keep_key(f"{{command: [sh, -c, '{script}']}}")
    assert desk.run(execute=True).complete
    assert answers(desk).count(401) == 1
    assert desk.deleted()


def test_a_key_that_stays_refused_ends_the_run_after_one_request(
    open_desk: Callable[..., Commands],
) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    desk.keep_key("{command: [echo, the-key-of-yesterday]}")
    with pytest.raises(CredentialsError, match="check username, access_key and region"):
        desk.run(execute=True)
    assert answers(desk) == [401]


def test_each_run_reads_a_file_anew(open_desk: Callable[..., Commands]) -> None:
    desk = open_desk()
    desk.configure(POLICIES)
    desk.keep_key("{file: key}")
    (desk.folder / "key").write_text("the-key-of-yesterday\n")
    with pytest.raises(CredentialsError):
        desk.run(execute=True)
    (desk.folder / "key").write_text(f"{desk.sandbox.access_key}\n")
    assert desk.run(execute=True).complete
