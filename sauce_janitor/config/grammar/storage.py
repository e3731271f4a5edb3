"""`archive` and `state`: paths and settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sauce_janitor.config.grammar.actions import ForbidTerm
from sauce_janitor.config.grammar.addresses import PathText
from sauce_janitor.config.grammar.durations import DurationTerm, ReadBackTrust
from sauce_janitor.config.grammar.scalars import FreeSpace, Grammar, no_entries
from sauce_janitor.model.durations import parse_duration


class ArchiveSettings(Grammar):
    """Where the archive is and how it is written."""

    path: PathText = Field(
        "/var/lib/sauce-janitor/archive",
        description="Folder of the archive; relative to this file's folder.",
        examples=["./archive"],
    )
    verify: Literal["reread", "inline"] = Field(
        "reread",
        description=(
            "`reread`: read every file back from the disk and hash it before its receipt is"
            " written. `inline`: hash it only while it is written."
        ),
        examples=["reread", "inline"],
    )
    verify_before_delete: ReadBackTrust = Field(
        None,
        description=(
            "`always` (default): read and hash the copy right before the delete, unless this run"
            " has done so. `7d`: trust a copy that was read back in the last 7 days."
        ),
        examples=["always", "7d"],
    )
    settle: DurationTerm = Field(
        parse_duration("10min"),
        description="A job's assets count as complete this long after its end.",
        examples=["10min"],
    )
    min_free: FreeSpace = Field(
        (5.0, None), description="Space of the disk that stays free.", examples=["5%", "20GiB"]
    )
    compress: bool = Field(
        default=False,
        description="Store logs and JSON compressed (Zstandard). Readers get the original.",
        examples=[True],
    )
    forbid: list[ForbidTerm] = Field(
        default_factory=no_entries,
        description="Assets that are never archived, whatever a policy or hold says.",
        examples=[[{"match": {"tags": "pii"}, "assets": ["video"]}]],
    )


class StateSettings(Grammar):
    """Where the inventory and the journal are."""

    path: PathText = Field(
        "/var/lib/sauce-janitor/state.db",
        description=(
            "Database file; relative to this file's folder. It must be on a local file system:"
            " SQLite's locks do not work on network and shared ones."
        ),
        examples=["./state.db"],
    )
    accept_filesystem: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$",
        description=(
            "File system type to accept although it is not known to be local, as the error message"
            " names it. Only if a single machine uses it."
        ),
        examples=["fuse.mergerfs"],
    )
