"""What lists and searches of the archive read: a row for every archived job, made from the
receipts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; the first look into the archive fills it."""
    op.create_table(
        "archived_jobs",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("assets", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("pruned", sa.BigInteger(), nullable=False),
        sa.Column("has_video", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("build", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("os", sa.Text(), nullable=True),
        sa.Column("browser", sa.Text(), nullable=True),
        sa.Column("duration_s", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("account", "job_id", name=op.f("pk_archived_jobs")),
    )
    op.create_index("ix_archived_jobs_ended_at", "archived_jobs", ["ended_at"])
    op.create_index("ix_archived_jobs_job_id", "archived_jobs", ["job_id"])
