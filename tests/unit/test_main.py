"""How an error of the configuration is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sauce_janitor.__main__ import main


def _stderr(capfd: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    assert end.value.code == 2
    return capfd.readouterr().err


def test_a_problem_without_a_place_names_the_program(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yaml").touch()
    said = _stderr(capfd, "init", "--region", "us-west-1", "--output", f"{tmp_path}/config.yaml")
    assert said.startswith(f"sauce-janitor: {tmp_path}/config.yaml exists already")


def test_a_problem_of_a_line_begins_with_the_place_for_editors(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("version: 1\nacounts: {}\n")
    assert _stderr(capfd, "--config", str(file), "check").startswith(f"{file}:")
