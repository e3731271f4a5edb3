"""What limits need: the size of plans by policy, what an accepted plan left undone, and
approvals.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns, a table, and the indexes that find the marked jobs."""
    op.add_column("jobs", sa.Column("accepted_for", sa.Text(), nullable=True))
    for marked in ("accepted_for", "assets_announced_at", "job_announced_at"):
        present = sa.text(f"{marked} IS NOT NULL")
        op.create_index(
            f"ix_jobs_{marked}",
            "jobs",
            ["account", marked],
            sqlite_where=present,
            postgresql_where=present,
        )
    op.add_column("acceptances", sa.Column("by_policy", sa.Text(), nullable=True))
    op.create_table(
        "approvals",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("policy_digest", sa.Text(), nullable=False),
        sa.Column("lift", sa.Text(), nullable=False),
        sa.Column("max_jobs", sa.BigInteger(), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_approvals")),
    )
