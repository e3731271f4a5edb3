"""Lines of the journal as text."""

from __future__ import annotations

from typing import Final

from sauce_janitor import report
from sauce_janitor.model.job_changes import BY_HAND
from sauce_janitor.model.jobs import Action
from sauce_janitor.state import JournalLine

_LINES: Final = {
    "archived": "archived",
    "purged": "purged by Sauce Labs",
    "listed_again": "not purged after all",
}
_BY_HAND_KINDS = frozenset({"by_hand", "done_by_hand"})
"""Kinds of journal lines whose text already names the person."""


def journal_text(line: JournalLine) -> str:
    """Return what the line records: `delete job: done`."""
    words = report.ACTIONS[line.action] if isinstance(line.action, Action) else line.action.value
    if line.kind in _BY_HAND_KINDS:
        begun = f"begun by {line.detail.get('by')}"
        return f"{words} by hand: {line.outcome or begun}"
    if line.kind == "intent":
        return f"began to {words}"
    # The archive's own deletes: the job itself may stay at Sauce Labs.
    if line.kind in {"pruning", "pruned"}:
        files = line.detail.get("files")
        # A line that was written by another version may lack the number.
        number = report.counted(files, "file") if isinstance(files, int) else "files"
        begun = f"began to prune {number} of it from the archive"
        return begun if line.kind == "pruning" else f"archive prune: {line.outcome}"
    if line.kind in _LINES:
        return _LINES[line.kind]
    # Any other outcome is shown by its key.
    outcomes = {
        "confirmed": "done",
        "already_gone": "was gone already",
        "failed": "failed",
        "unknown": "in doubt",
    }
    return f"{words}: {outcomes.get(line.outcome or '', line.outcome)}"


def journal_detail(line: JournalLine) -> str:
    """Return by whom, with which receipt, why, and in which run."""
    parts = [f"by {line.policy}"] if line.policy and line.policy != BY_HAND else []
    if line.policy == BY_HAND and line.kind not in _BY_HAND_KINDS:
        parts.append(f"by hand ({line.detail['by']})" if "by" in line.detail else "by hand")
    if wanted := line.detail.get("wanted"):
        parts.append(", ".join(f"{name}: {value}" for name, value in sorted(wanted.items())))
    if line.kind == "archived" and line.detail.get("selection"):
        parts.append(str(line.detail["selection"]))
    # Enough digits to find the receipt; JSON has all.
    if line.receipt:
        parts.append(f"receipt {line.receipt[:12]}…")
    if text := line.detail.get("text") or line.detail.get("why"):
        parts.append(str(text))
    run = f" (run {line.run_id})" if line.run_id else ""
    return (", ".join(parts) + run).strip()
