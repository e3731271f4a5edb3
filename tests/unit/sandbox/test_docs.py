"""docs/reference/sandbox.md says what there is, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

from sauce_janitor.sandbox.api.endpoints import ENDPOINTS
from sauce_janitor.sandbox.core.options import choices
from sauce_janitor.sandbox.injected_faults import read_faults

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "sandbox.md").read_text(encoding="utf-8")


def table(heading: str) -> dict[str, tuple[str, ...]]:
    """First column of the table below a heading: the words of the second."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section, re.MULTILINE)
    return {key: tuple(re.findall(r"`([^`]+)`", words)) for key, words in rows}


def test_the_page_lists_every_behaviour_with_its_values_the_default_first() -> None:
    assert table("Behaviors") == choices()


def test_the_page_lists_every_endpoint_that_a_fault_can_select() -> None:
    listed = PAGE.partition("\nEndpoints:\n```\n")[2].partition("```")[0]

    assert listed.split() == list(dict.fromkeys(endpoint.name for endpoint in ENDPOINTS))


def test_the_faults_that_the_page_shows_are_understood(tmp_path: Path) -> None:
    shown = PAGE.partition("```yaml\nfaults:\n")[2].partition("```")[0]
    file = tmp_path / "faults.yaml"
    file.write_text(f"faults:\n{shown}")

    assert len(read_faults(file)) == shown.count("- {fault:") > 3
