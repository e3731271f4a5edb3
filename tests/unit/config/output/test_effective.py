"""`config show`: what counts, with nothing secret in it."""

from __future__ import annotations

from pathlib import Path

from sauce_janitor.config.loader import from_bytes
from sauce_janitor.config.output.effective import effective_yaml

EXAMPLE = Path(__file__).parents[4] / "config.example.yaml"
FILE = Path("/srv/janitor/config.yaml")
AWKWARD = """
accounts: {eu: {region: US_WEST, username: jane, access_key: {command: [pass, show, hunter2]}}}
policies:
  - name: "12:30"
    match: {name: ["yes", "010", "1e3", "12:30", null, "2027-01-31"], error: null, custom_data.n: 3}
    keep: [{within: 2d, where: {status: passed}}]
    then: {archive: {assets: video, discard: rest}, delete_assets: {after: 5d, keep: [{last: 1}]}, delete_job: never}
"""


def test_it_says_the_same_as_the_file_it_is_of() -> None:
    for text in (
        EXAMPLE.read_text(encoding="utf-8"),
        AWKWARD.replace("{command: [pass, show, hunter2]}", "{env: K}"),
    ):
        shown = effective_yaml(text.encode(), FILE)
        config, again = (
            from_bytes(text.encode(), FILE, environ={}),
            from_bytes(shown.encode(), FILE, environ={}),
        )
        names = [account.name for account in config.accounts]
        assert [again.policy_digest(name) for name in names] == [
            config.policy_digest(name) for name in names
        ]
        assert (again.archive, again.state, again.workers) == (
            config.archive,
            config.state,
            config.workers,
        )
        assert effective_yaml(shown.encode(), FILE) == shown


def test_it_hides_the_arguments_of_a_command_and_fills_in_defaults() -> None:
    shown = effective_yaml(AWKWARD.encode(), FILE)
    assert "hunter2" not in shown
    assert "region: us-west-1" in shown
    assert "max_percent: 25" in shown
    assert "path: /var/lib/sauce-janitor/archive" in shown


def test_its_paths_are_absolute() -> None:
    shown = effective_yaml((AWKWARD + "archive: {path: ./kept}\n").encode(), FILE)
    assert "path: /srv/janitor/kept" in shown
