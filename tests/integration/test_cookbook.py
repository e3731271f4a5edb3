"""docs/how-to/cookbook.md: each block is valid as it stands, and each table is the plan that its
block makes.

`SAUCE_JANITOR_REGENERATE=1` writes the plans' cells anew.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sauce_janitor.config import Config
from sauce_janitor.config.loader import from_bytes
from sauce_janitor.model.durations import parse_duration
from sauce_janitor.model.job_age import newest_first
from sauce_janitor.model.jobs import UNKNOWN, Action, Decision, Record, Verdict, Why
from sauce_janitor.retention.decide import decide
from tests.support.jobs import NOW, id_of, record, running

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "cookbook.md"
FRAME = {
    "version": 1,
    "accounts": {
        "eu": {"region": "eu-central-1", "username": "demo", "access_key": {"env": "KEY"}}
    },
    "archive": {"path": "./archive"},
    "state": {"path": "./state.db"},
}
ACTIONS = {str(action) for action in Action}


@dataclass(frozen=True)
class Case:
    """One section: its block, and its table where it has one (the first row are the column
    names).
    """

    title: str
    block: str
    table: tuple[tuple[str, ...], ...]

    @property
    def config(self) -> Config:
        values = FRAME | yaml.safe_load(self.block)
        return from_bytes(yaml.safe_dump(values).encode(), Path("config.yaml"), environ={})

    def planned(self) -> tuple[tuple[str, ...], ...]:
        """The table, with the cells of actions as the block's policies have them."""
        head, *rows = self.table
        config = self.config
        rules = config.rules(config.accounts[0].name)
        records = newest_first(
            (_record(str(n), dict(zip(head, row, strict=True))) for n, row in enumerate(rows)),
            rules.age_from,
        )
        decided = {
            (item.job.id, str(decision.action)): _cell(decision)
            for item, decisions in decide(rules, lambda: records, as_of=NOW)
            for decision in decisions
        }
        return (
            head,
            *(
                tuple(
                    decided[id_of(str(n)), name] if name in ACTIONS else cell
                    for name, cell in zip(head, row, strict=True)
                )
                for n, row in enumerate(rows)
            ),
        )


def _cell(decision: Decision) -> str:
    if decision.verdict is Verdict.DUE:
        return "**due**"
    first = [reason for reason in decision.reasons if reason.why is not Why.ASSETS_PROTECTED]
    return "; ".join(reason.text for reason in first or decision.reasons)


def _record(label: str, cells: dict[str, str]) -> Record:
    fields: dict[str, Any] = {}
    for name, cell in cells.items():
        if name == "tags":
            fields["tags"] = UNKNOWN if cell == "?" else tuple(filter(None, cell.split("; ")))
        elif name.startswith("custom_data."):
            fields["custom_data"] = {name.removeprefix("custom_data."): cell}
        elif name not in ACTIONS | {"ended", "started"}:
            fields[name] = {"?": UNKNOWN, "true": True, "false": False}.get(cell, cell)
    if "started" in cells:
        return running(label, parse_duration(cells["started"]).seconds, **fields)
    return record(label, parse_duration(cells["ended"]).seconds, **fields)


def _cases() -> list[Case]:
    found = []
    for section in re.split(r"(?m)^## ", PAGE.read_text())[1:]:
        (block,) = re.findall(r"(?s)```yaml\n(.*?)```", section)
        lines = [line for line in section.splitlines() if line.startswith("|")]
        rows = [
            tuple(cell.strip() for cell in line.strip("|").split("|"))
            for line in lines
            if not line.startswith("|---")
        ]
        found.append(Case(section.splitlines()[0], block, tuple(rows)))
    return found


CASES = {case.title: case for case in _cases()}


@pytest.fixture(scope="module", autouse=True)
def regenerate() -> None:
    if os.environ.get("SAUCE_JANITOR_REGENERATE"):
        text = PAGE.read_text()
        for case in CASES.values():
            if case.table:
                start = text.index("|", text.index(case.block))
                end = text.index("\n\n", start)
                head, *rows = ("| " + " | ".join(row) + " |" for row in case.planned())
                line = "|" + "---|" * len(case.table[0])
                text = (
                    text[:start]
                    + "\n".join([head, line, *rows]).replace("|  |", "| |")
                    + text[end:]
                )
        PAGE.write_text(text)
        CASES.update({case.title: case for case in _cases()})


@pytest.mark.parametrize("title", CASES)
def test_a_case_is_valid_and_draws_no_warning(title: str) -> None:
    assert CASES[title].config.warnings == ()


@pytest.mark.parametrize("title", [title for title, case in CASES.items() if case.table])
def test_a_table_is_the_plan_that_the_block_makes(title: str) -> None:
    assert CASES[title].table == CASES[title].planned()


def test_there_are_ten_recipes_and_they_are_numbered_in_order() -> None:
    assert [title.partition(". ")[0] for title in CASES] == [str(n) for n in range(1, 11)]
