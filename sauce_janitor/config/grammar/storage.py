"""`archive` and `state`: where they are and how they are written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sauce_janitor.config.grammar.addresses import PathText
from sauce_janitor.config.grammar.policies import ForbidTerm
from sauce_janitor.config.grammar.scalars import DurationTerm, FreeSpace, Grammar, ReadBackTrust
from sauce_janitor.model.durations import parse_duration


class ArchiveSettings(Grammar):
    """Where the archive is, and how files are stored in it."""

    path: PathText = Field(
        "/var/lib/sauce-janitor/archive",
        description="The archive's folder; relative to this file's folder.",
        examples=["./archive"],
    )
    verify: Literal["reread", "inline"] = Field(
        "reread",
        description=(
            "`reread`: before the receipt is written, every file is read from the disk again"
            " and hashed. `inline`: the hash taken during the download and the flush are"
            " trusted."
        ),
        examples=["reread", "inline"],
    )
    verify_before_delete: ReadBackTrust = Field(
        None,
        description=(
            "`always`: the copy that a delete rests on is read from the disk and hashed right"
            " before, unless this run has done so. `7d`: a copy that was read back in the last 7"
            " days is trusted. The default is `always`."
        ),
        examples=["always", "7d"],
    )
    settle: DurationTerm = Field(
        parse_duration("10min"),
        description="How long after a job's end its assets are taken for complete.",
        examples=["10min"],
    )
    min_free: FreeSpace = Field(
        (5.0, None),
        description=("How much of the disk must stay free: a part, or a size such as 20GiB."),
        examples=["5%", "20GiB"],
    )
    compress: bool = Field(
        default=False,
        description=(
            "Store logs and JSON compressed (Zstandard). Commands and exports return the original."
        ),
        examples=[True],
    )
    forbid: list[ForbidTerm] = Field(
        default_factory=list, description=(
            "Assets that are never archived, whatever a policy or hold says."
        ),
        examples=[[{"match": {"tags": "pii"}, "assets": ["video"]}]],
    )  # fmt: skip


class StateSettings(Grammar):
    """Where the inventory and the journal are."""

    path: PathText = Field(
        "/var/lib/sauce-janitor/state.db",
        description=(
            "The database file; relative to this file's folder. It must be on a local file"
            " system, because SQLite's locks do not work on network and shared ones."
        ),
        examples=["./state.db"],
    )
    accept_filesystem: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$",
        description=(
            "A kind of file system to accept although it is not known to be local, by the name"
            " in the error message. Only if a single machine uses it."
        ),
        examples=["fuse.mergerfs"],
    )
