"""`demo`, run as the command line runs it, on fewer jobs: what a newcomer sees first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sauce_janitor.cli.app import cli


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Result]]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("demo")
        patch.chdir(folder)
        said = CliRunner().invoke(cli, ["demo", "--jobs", "90"], standalone_mode=False)
        assert said.return_value == 0, said.output
        yield folder / "sauce-janitor-demo", said


def test_a_first_demo_warns_of_no_job_and_loses_nothing_to_the_purge(
    demo: tuple[Path, Result],
) -> None:
    _, said = demo
    (line,) = said.stderr.splitlines()
    assert line.startswith("Written to sauce-janitor-demo/plan.json")
    assert "Lost" not in said.stdout
    assert "Plan: 0" not in said.stdout


def test_the_demo_ends_with_before_and_after_in_plain_characters(demo: tuple[Path, Result]) -> None:
    _, said = demo
    end = said.stdout[said.stdout.index("[5]") :]
    assert end.isascii()
    assert len(end.splitlines()) < 24
    assert max(map(len, end.splitlines())) <= 80
    rows = re.findall(
        r"^  (?:jobs|assets|bytes)? +(before|after) +([#.]{36}) +(.+)$", end, re.MULTILINE
    )
    assert [row[0] for row in rows] == ["before", "after"] * 3
    for (_, full, _), (_, part, _) in zip(rows[::2], rows[1::2], strict=True):
        assert full == "#" * 36
        assert 0 < part.count("#") < 36


def test_the_picture_counts_what_the_requests_and_the_disk_show(demo: tuple[Path, Result]) -> None:
    folder, said = demo
    log = [json.loads(line) for line in (folder / "requests.jsonl").read_text().splitlines()]
    gone = [
        each
        for each in log
        if each["method"] == "DELETE" and re.fullmatch(r"[0-9a-f]{32}", each["path"][-32:])
    ]
    receipts = list((folder / "archive").rglob("receipt.json"))
    assert re.search(rf"jobs +before +#+ +90\n +after +[#.]+ +{90 - len(gone)}\n", said.stdout)
    assert f"In the archive: {len(receipts)} jobs, " in said.stdout
