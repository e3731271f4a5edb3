"""Decisions as rows for the plan file, JSON and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sauce_janitor.model.jobs import Action, Decision
from sauce_janitor.terminal import printable
from sauce_janitor.times import iso

COLUMNS = ("account", "job_id", "owner", "action", "policy", "due_since", "reasons")


def action_row(job_id: str, owner: str, decision: Decision) -> dict[str, Any]:
    """Return one action as in the plan file, without its fingerprint."""
    return {
        "job_id": job_id,
        "owner": owner,
        "action": decision.action.value,
        "policy": decision.policy,
        "due_since": iso(decision.due_since),
        "reasons": [reason.text for reason in decision.reasons],
    }


def kept_row(job_id: str, decisions: Iterable[Decision]) -> dict[str, Any]:
    """Return one job to which nothing happens, with the reasons for each action."""
    reasons: list[str] = []
    for decision in decisions:
        # Hardly any job is running, so why a job is not stopped says nothing.
        if decision.action is not Action.STOP:
            reasons += [f"{decision.action.value}: {reason.text}" for reason in decision.reasons]
    return {"job_id": job_id, "reasons": reasons}


def csv_lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> Iterator[str]:
    """Yield CSV of these columns with a header, each cell one line of printable text.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it. A number is
    written unchanged.
    """
    line = io.StringIO()
    writer = csv.DictWriter(line, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        yield line.getvalue()
        line.seek(0)
        line.truncate()
        writer.writerow({key: _cell(row.get(key)) for key in columns})
    yield line.getvalue()


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        # Not a formula, even with a minus sign.
        return str(value)
    if value is None:
        text = ""
    elif isinstance(value, list):
        text = "; ".join(map(str, value))
    else:
        text = str(value)
    shown = printable(text)
    return f"'{shown}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else shown
