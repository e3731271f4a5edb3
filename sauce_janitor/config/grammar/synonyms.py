"""Words of other tools for fields and statuses, with the word that is used here."""

from __future__ import annotations

from typing import Final

from sauce_janitor.config.source.problems import did_you_mean

_FIELDS_MEANT: Final = {
    "suite": "name", "test": "name", "title": "name", "job": "name",
    "user": "owner", "username": "owner", "label": "tags", "labels": "tags",
    "result": "status", "outcome": "status", "verdict": "status",
    "platform": "os", "platform_name": "os", "version": "browser_version",
    "backend": "automation_backend", "framework": "automation_backend",
    "visibility": "public", "team": "team_id",
}  # fmt: skip
"""Words of other tools for fields of a job, which similarity alone would not find."""


def field_meant(word: str) -> str:
    """Return `; did you mean `name`?` for another tool's word, or nothing."""
    meant = _FIELDS_MEANT.get(word.lower().replace("-", "_"))
    return f"; did you mean `{meant}`?" if meant else ""


_WORDS_MEANT: Final = {
    "success": "passed", "successful": "passed", "succeeded": "passed", "ok": "passed",
    "green": "passed", "failure": "failed", "red": "failed", "completed": "complete",
    "done": "finished", "in progress": "running",
}  # fmt: skip


def word_meant(text: str, words: tuple[str, ...]) -> str:
    """Return `; did you mean `passed`?` for another tool's word or a near one, or nothing."""
    meant = _WORDS_MEANT.get(text.lower())
    return f"; did you mean `{meant}`?" if meant in words else did_you_mean(text, words)
