"""An archive on a real disk, and what is read from it."""

from __future__ import annotations

from pathlib import Path

from sauce_janitor.archive import (
    DiskReserve,
    StoreOrigin,
    WriteSettings,
)
from sauce_janitor.model.assets import Selection

ROOMY = WriteSettings(min_free=DiskReserve(percent=0))


ORIGIN = StoreOrigin(policy="nightly", run_id="run-1", base_url="https://u:s3cret@api.example.com")
VIDEO_ONLY = Selection(frozenset({"video"}), discard_rest=True)


def tree(root: Path) -> dict[str, bytes | None]:
    """Every path below the root (None for a folder), but the sentinel and empty folders for work in
    progress.
    """
    found = {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None
        for path in root.rglob("*")
    }
    return {
        name: data
        for name, data in found.items()
        if name not in {".sauce-janitor-archive", ".partial", ".partial/eu"}
    }


def folder_of(root: Path, number: int = 1) -> Path:
    return root / "eu" / "alice" / "2025" / "12" / "31" / f"{number:032x}"


class WordsInState:
    """A state's memory of its leases; `copy` is what a cloned machine has of it."""

    def __init__(self, words: dict[tuple[str, str], tuple[str, ...]] | None = None) -> None:
        self.words = words or {}
        self.journal: list[str] = []

    def read(self, archive: str, account: str, /) -> tuple[str, ...]:
        return self.words.get((archive, account), ())

    def write(self, archive: str, account: str, words: tuple[str, ...], /) -> None:
        self.words[archive, account] = words

    def journal_end(self, _account: str, /) -> str:
        return self.journal[-1] if self.journal else ""

    def has_journal(self, _account: str, end: str, /) -> bool:
        return not end or end in self.journal

    def copy(self) -> WordsInState:
        copied = WordsInState(dict(self.words))
        copied.journal = [*self.journal]
        return copied
