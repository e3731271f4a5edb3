"""Decisions as rows for machines: the plan file, JSON and CSV."""

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
    """One action as the plan file has it, but for its fingerprint."""
    return {
        "job_id": job_id,
        "owner": owner,
        "action": decision.action.value,
        "policy": decision.policy,
        "due_since": iso(decision.due_since),
        "reasons": [reason.text for reason in decision.reasons],
    }


def kept_row(job_id: str, decisions: Iterable[Decision]) -> dict[str, Any]:
    """One job to which nothing happens, with why, by action."""
    reasons = [
        f"{d.action.value}: {reason.text}"
        for d in decisions
        if d.action is not Action.STOP
        for reason in d.reasons
    ]
    return {"job_id": job_id, "reasons": reasons}


def csv_lines(rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = COLUMNS) -> Iterator[str]:
    """CSV of these keys with a header, every cell one line of printable text.

    A cell that a spreadsheet would take for a formula begins with an apostrophe. A number is
    written as it is.
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
        return str(value)  # no formula, whatever its sign
    text = (
        ""
        if value is None
        else "; ".join(map(str, value))
        if isinstance(value, list)
        else str(value)
    )
    shown = printable(text)
    return f"'{shown}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else shown
