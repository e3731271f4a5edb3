"""`archive` and `state`: paths and settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sauce_janitor.config.grammar.actions import ForbidTerm
from sauce_janitor.config.grammar.addresses import BucketUrl, PathText, ServerAddress
from sauce_janitor.config.grammar.durations import DurationTerm, ReadBackTrust
from sauce_janitor.config.grammar.scalars import FreeSpace, Grammar, invalid, no_entries
from sauce_janitor.config.grammar.secrets import Secret
from sauce_janitor.model.durations import parse_duration


class ArchiveSettings(Grammar):
    """Where the archive is and how it is written."""

    path: PathText = Field(
        "/var/lib/sauce-janitor/archive",
        description="Folder of the archive; relative to this file's folder.",
        examples=["./archive"],
    )
    url: BucketUrl | None = Field(
        None,
        description=(
            "Bucket and prefix of the archive, by the S3 protocol, instead of `path`: see"
            " [Archive in S3](../how-to/archive-s3.md). Needs the extra `cluster`."
        ),
        examples=["s3://my-bucket/sauce"],
    )
    endpoint: ServerAddress | None = Field(
        None,
        description="Address of the S3 server. Default: AWS.",
        examples=["https://s3.example.com"],
    )
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] | None = Field(
        None,
        description="Region of the bucket. Default: `AWS_REGION`; `us-east-1` with `endpoint`.",
        examples=["eu-central-1"],
    )
    access_key_id: Secret | None = Field(
        None,
        description=(
            "Key of the bucket. Default: `AWS_ACCESS_KEY_ID`, a web identity, or the machine's"
            " role."
        ),
        examples=[{"file": "/run/secrets/s3-key-id"}],
    )
    secret_access_key: Secret | None = Field(
        None,
        description="Its secret; read again every five minutes. Default: `AWS_SECRET_ACCESS_KEY`.",
        examples=[{"file": "/run/secrets/s3-secret"}],
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

    @model_validator(mode="after")
    def _is_one_place(self) -> ArchiveSettings:
        if self.url is not None and "path" in self.model_fields_set:
            raise invalid("url: the archive is either in a folder or in a bucket: leave out path")
        for key in ("endpoint", "region", "access_key_id", "secret_access_key"):
            if self.url is None and key in self.model_fields_set:
                raise invalid(f"{key}: is about a bucket: set url, such as s3://bucket/prefix")
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise invalid("access_key_id: needs secret_access_key, and the other way round")
        # Whether a server compares what it got with its hash cannot be seen from outside.
        if self.url is not None and self.verify == "inline":
            raise invalid("verify: `inline` is for a disk: what is in a bucket is always read back")
        return self


class StateSettings(Grammar):
    """Where the inventory and the journal are: in a file, or in a PostgreSQL database."""

    path: PathText = Field(
        "/var/lib/sauce-janitor/state.db",
        description=(
            "Database file; relative to this file's folder. It must be on a local file system:"
            " SQLite's locks do not work on network and shared ones."
        ),
        examples=["./state.db"],
    )
    url: Secret | None = Field(
        None,
        description=(
            "Instead of `path`, where the address of a PostgreSQL database is read from:"
            " `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`. `sauce-janitor state init` makes the"
            " state in it."
        ),
        examples=[{"env": "STATE_URL"}, {"file": "/run/secrets/state-url"}],
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

    @model_validator(mode="after")
    def _is_in_one_place(self) -> StateSettings:
        if self.url is not None and "path" in self.model_fields_set:
            raise invalid("is in one place: write either url or path")
        return self
