"""`config show`: what counts, with nothing secret in it."""

from __future__ import annotations

from pathlib import Path

from sauce_janitor.config import load
from sauce_janitor.config.effective import effective_yaml

EXAMPLE = Path(__file__).parents[3] / "config.example.yaml"
AWKWARD = """
accounts: {eu: {region: US_WEST, username: jane, access_key: {command: [pass, show, hunter2]}}}
policies:
  - name: "12:30"
    match: {name: ["yes", "010", "1e3", "12:30", null, "2027-01-31"], error: null, custom_data.n: 3}
    keep: [{within: 2d, where: {status: passed}}]
    then: {archive: {assets: video, discard: rest}, delete_assets: {after: 5d, keep: [{last: 1}]}, delete_job: never}
"""


def test_it_says_the_same_as_the_file_it_is_of(tmp_path: Path) -> None:
    for text in (EXAMPLE.read_text(encoding="utf-8"), AWKWARD.replace("{command: [pass, show, hunter2]}", "{env: K}")):
        (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
        (tmp_path / "shown.yaml").write_text(effective_yaml(tmp_path / "config.yaml"), encoding="utf-8")
        config, shown = load(tmp_path / "config.yaml", environ={}), load(tmp_path / "shown.yaml", environ={})
        assert [shown.policy_digest(each.name) for each in shown.accounts] == [
            config.policy_digest(each.name) for each in config.accounts
        ]
        assert (shown.archive, shown.state, shown.workers) == (config.archive, config.state, config.workers)
        assert effective_yaml(tmp_path / "shown.yaml") == effective_yaml(tmp_path / "config.yaml")


def test_it_hides_the_arguments_of_a_command_and_names_defaults(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(AWKWARD, encoding="utf-8")
    shown = effective_yaml(tmp_path / "config.yaml")
    assert "hunter2" not in shown
    assert "region: us-west-1" in shown
    assert "max_percent: 25" in shown
    assert f"path: {tmp_path}/" not in shown  # the default is absolute already
    assert "path: /var/lib/sauce-janitor/archive" in shown
