"""The tables of the state. A change here needs a new revision in migrations/versions and its number
in REVISIONS.

Times are whole epoch seconds in UTC. Job ids are stored as 16 bytes: a third of the space and
search time of 32 digits.

One module over 300 lines: the schema is read as a whole.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

REVISIONS: Final = (
    "0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0010", "0011",
    "0012", "0013",
)  # fmt: skip
"""Every schema version, oldest first; this program writes the last one."""
READABLE_FROM: Final = "0009"
"""The oldest schema whose programs can read and write a state of the newest one, so that a release
can be rolled back.

It stays as long as a revision only adds (tables, nullable columns, indexes that are not unique). A
revision that does more raises it to itself. A test compares both schemas.
"""

NAMING: Final = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
metadata = MetaData(naming_convention=NAMING)

schema_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table, as it makes it: which revision the schema is. It compares `metadata` with a
database without it.
"""

COPIED_GAPS: Final = "journal gaps"
"""The key in `meta` for how many numbers no line of the journal has, in a file that was copied from
a server. A file itself leaves none out.
"""

SERVER: Final = "server"
"""The key in `meta` for the server that the state was last on."""

# SQLite increments only what is exactly INTEGER PRIMARY KEY.
_serial = BigInteger().with_variant(Integer, "sqlite")


def _account() -> Column[str]:
    return Column("account", Text, ForeignKey("accounts.name"), nullable=False)


meta = Table(
    "meta", metadata, Column("key", Text, primary_key=True), Column("value", Text, nullable=False)
)

accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("base_url", Text, nullable=False),
    Column("username", Text, nullable=False),
    # When a listing first showed a job; null: whose it is may still be corrected.
    Column("bound_at", BigInteger),
    Column("key", Text),  # its name in the journal and in the archive; null: the same
    # No account any more: lines of the journal refer to the name.
    Column("retired", Boolean(create_constraint=False)),
)

archives = Table(
    "archives",
    metadata,
    Column("path", Text, primary_key=True),
    Column("uuid", Text, nullable=False, unique=True),
)

jobs = Table(
    "jobs",
    metadata,
    Column("row", _serial, primary_key=True),
    _account(),
    Column("id", LargeBinary(16), nullable=False),
    Column("owner", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("name", Text),
    Column("build", Text),
    Column("tags", Text),  # JSON, null for none
    Column("status", Text),
    Column("os", Text),
    Column("browser", Text),
    Column("browser_version", Text),
    Column("automation_backend", Text),
    Column("public", Text),
    Column("error", Text),
    Column("manual", Boolean(create_constraint=False)),
    Column("custom_data", Text),  # JSON
    Column("created_at", BigInteger),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("modified_at", BigInteger),
    Column("marks", Integer, nullable=False),  # which fields are UNKNOWN, see rows.py
    Column("detailed", Boolean(create_constraint=False), nullable=False),
    Column("gone", Boolean(create_constraint=False), nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("listed_at", BigInteger, nullable=False),
    Column("assets", Text, nullable=False),
    Column("archived", Text),  # JSON list of selection keys, null while there is no receipt
    Column("assets_announced_at", BigInteger),
    Column("job_announced_at", BigInteger),
    Column("accepted_for", Text),  # the delete or stop that the last accepted plan had for it
    # JSON list of (name, why, since) of files that could not be fetched; null for none.
    Column("missing", Text),
    # "" for none; null where it is not known, as in rows from before there was the column.
    Column("team_id", Text),
    UniqueConstraint("account", "id"),
    CheckConstraint("length(id) = 16", name="id_is_16_bytes"),
)
Index(
    "ix_jobs_unfinished",
    jobs.c.account,
    jobs.c.owner,
    jobs.c.created_at,
    sqlite_where=jobs.c.state != "finished",
)
Index("ix_jobs_recent", jobs.c.account, jobs.c.owner, jobs.c.ended_at)

for _marked in (jobs.c.accepted_for, jobs.c.assets_announced_at, jobs.c.job_announced_at):
    # Finds the few marked jobs, so that an idle run does not read every job for them.
    Index(
        f"ix_jobs_{_marked.name}",
        jobs.c.account,
        _marked,
        sqlite_where=_marked.is_not(None),
    )

builds = Table(
    "builds",
    metadata,
    _account(),
    Column("owner", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("name", Text),
    Column("status", Text),
    Column("jobs", BigInteger),
    Column("open_jobs", BigInteger),
    Column("marks", Integer, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("listed_at", BigInteger, nullable=False),
    UniqueConstraint("account", "owner", "id"),
)

listings = Table(
    "listings",
    metadata,
    _account(),
    Column("owner", Text, nullable=False),
    Column("mark", BigInteger, nullable=False),  # the newest listing's own number, a time
    Column("watermark", BigInteger),  # our own `until` of the last listing without a rejected row
    Column("full_at", BigInteger),  # our own `until` of the last complete full listing
    # When builds were last listed whole; null: never, or not offered.
    Column("builds_at", BigInteger),
    Column("longest_page", Integer, nullable=False),
    Column("bookmark", Text),  # where a full listing under way goes on
    UniqueConstraint("account", "owner"),
)

journal = Table(
    "journal",
    metadata,
    Column("seq", _serial, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    _account(),
    Column("kind", Text, nullable=False),
    Column("job_id", LargeBinary(16), nullable=False),
    Column("owner", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("policy", Text),
    Column("run_id", Text),
    Column("intent", BigInteger, ForeignKey("journal.seq")),
    Column("outcome", Text),
    Column("receipt", Text),
    Column("fence", BigInteger),
    Column("detail", Text, nullable=False),  # JSON: everything else about the line
    Column("hash", LargeBinary(32), nullable=False),
    # Its place in the account's own chain; null: it is in the one chain that all accounts had.
    Column("number", BigInteger),
    Index("ix_journal_job_id", "job_id"),
    Index("uq_journal_chain", "account", "number", unique=True),
)
# Must hold whoever writes: one confirmed outcome for each job and action.
Index(
    "uq_journal_confirmed",
    journal.c.account,
    journal.c.job_id,
    journal.c.action,
    unique=True,
    sqlite_where=journal.c.outcome == "confirmed",
)

journal_head = Table(
    # The end of the chain that all accounts had together before schema 0009; every account's own
    # begins with its hash. In a newer state it has no line.
    "journal_head",
    metadata,
    Column("one", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
    CheckConstraint("one = 1", name="one_row"),
)

journal_chains = Table(
    # The end of each account's chain.
    "journal_chains",
    metadata,
    Column("account", Text, primary_key=True),  # its key, as in the journal
    Column("number", BigInteger, nullable=False),
    Column("hash", LargeBinary(32), nullable=False),
)

open_intents = Table(
    "open_intents",
    metadata,
    Column("intent", BigInteger, ForeignKey("journal.seq"), primary_key=True, autoincrement=False),
    _account(),
    Column("job_id", LargeBinary(16), nullable=False),
    Column("action", Text, nullable=False),
    UniqueConstraint("account", "job_id", "action"),
)

leases = Table(
    "leases",
    metadata,
    Column("account", Text, ForeignKey("accounts.name"), primary_key=True),
    Column("fence", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("released", Boolean(create_constraint=False), nullable=False),
    # By the database's clock; null where the lock of a file is the lease.
    Column("renewed_at", Float),
)

pauses = Table(
    "pauses",
    metadata,
    Column("number", _serial, primary_key=True),
    Column("paused_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("paused_at", BigInteger, nullable=False),
    Column("resumed_by", Text),
    Column("resumed_at", BigInteger),
)

holds = Table(
    "holds",
    metadata,
    Column("number", _serial, primary_key=True),
    _account(),
    Column("job_id", LargeBinary(16), nullable=False),
    Column("placed_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("placed_at", BigInteger, nullable=False),
    Column("until", BigInteger),  # the first second after it
    Column("released_by", Text),
    Column("released_at", BigInteger),
    Index("ix_holds_account_job_id", "account", "job_id"),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("labels", Text, primary_key=True),  # JSON, keys sorted
    Column("value", Float, nullable=False),
)

acceptances = Table(
    "acceptances",
    metadata,
    Column("number", _serial, primary_key=True),
    _account(),
    Column("policy_digest", Text, nullable=False),
    Column("accepted_at", BigInteger, nullable=False),
    # Distinct jobs with a delete or stop that no earlier plan had left to do.
    Column("jobs", BigInteger, nullable=False),
    Column("by_policy", Text),  # the same by policy: a JSON mapping
    Index("ix_acceptances_account_policy_digest", "account", "policy_digest"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("number", _serial, primary_key=True),
    Column("account", Text, nullable=False),  # of the configuration: it may not have had a run yet
    Column("policy_digest", Text, nullable=False),
    Column("lift", Text, nullable=False),  # JSON list of limits
    Column("max_jobs", BigInteger),
    Column("until", BigInteger, nullable=False),  # the first second after it
    Column("approved_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("approved_at", BigInteger, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    _account(),
    Column("mode", Text, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("result", Text),
    Column("summary", Text, nullable=False),  # JSON
    Index("ix_runs_account_started_at", "account", "started_at"),
)

archived_jobs = Table(
    # What lists and searches of the archive read. Made from the receipts, and rebuilt from them
    # when it is lost.
    "archived_jobs",
    metadata,
    Column("account", Text, primary_key=True),
    Column("job_id", LargeBinary(16), primary_key=True),
    Column("owner", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("ended_at", BigInteger, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Column("policy", Text, nullable=False),
    Column("assets", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("pruned", BigInteger, nullable=False),
    Column("has_video", Boolean(create_constraint=False), nullable=False),
    Column("name", Text),
    Column("build", Text),  # its first 300 characters: an index of PostgreSQL has a limit
    Column("status", Text),
    Column("error", Text),
    Column("os", Text),
    Column("browser", Text),
    Column("duration_s", BigInteger),
    # Files that could not be fetched; null: none, or written by an older version.
    Column("missing", BigInteger),
    Index("ix_archived_jobs_ended_at", "ended_at"),
    Index("ix_archived_jobs_job_id", "job_id"),
    Index("ix_archived_jobs_owner", "owner", "ended_at"),
    # All that the list of builds and the count of jobs read.
    Index(
        "ix_archived_jobs_build", "build", "account", "owner", "ended_at", "status", "size_bytes"
    ),
)

retries = Table(
    # Jobs that failed and are tried again.
    "retries",
    metadata,
    Column("account", Text, primary_key=True),
    Column("job_id", LargeBinary(16), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("tries", BigInteger, nullable=False),
    Column("first_failed_at", BigInteger, nullable=False),
    Column("last_failed_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("requests", BigInteger, nullable=False),  # that the last try took
    Column("reason", Text, nullable=False),
)

read_backs = Table(
    # Which copies were read back from the disk; stored only where the configuration trusts that.
    "read_backs",
    metadata,
    Column("account", Text, primary_key=True),
    Column("job_id", LargeBinary(16), primary_key=True),
    Column("receipt", Text, nullable=False),  # the SHA-256 of the newest receipt then
    Column("at", BigInteger, nullable=False),
)

plans = Table(
    # The newest plan of each account, for pages. While a newer one is stored there are two.
    "plans",
    metadata,
    Column("number", _serial, primary_key=True),
    Column("account", Text, nullable=False),
    Column("begun_at", BigInteger, nullable=False),
    # Null: not stored completely, perhaps of a run that was killed.
    Column("published_at", BigInteger),
    Column("summary", Text, nullable=False),  # JSON, see state/plans/plan_summary.py
    Index("ix_plans_account", "account"),
)

plan_parts = Table(
    # The jobs of a plan, hundreds in a row: see state/plans/plan_parts.py.
    "plan_parts",
    metadata,
    Column("row", _serial, primary_key=True),
    Column("plan", BigInteger, ForeignKey("plans.number", ondelete="CASCADE"), nullable=False),
    Column("list", Text, nullable=False),
    Column("key", BigInteger, nullable=False),
    Column("part", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    UniqueConstraint("plan", "list", "key", "part"),
)

web_sessions = Table(
    # Who is signed in to the pages. Its id is only the SHA-256 of what the browser has.
    "web_sessions",
    metadata,
    Column("id", LargeBinary(32), primary_key=True),
    Column("user_name", Text, nullable=False),
    Column("credential", LargeBinary(32), nullable=False),  # the SHA-256 of the password's hash
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_web_sessions_user_name", "user_name"),
)
