"""The files that could not be fetched: what a job's newest receipt says is missing, and how many,
in the list of the archive.
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two nullable columns; earlier receipts lack no file."""
    op.add_column("jobs", sa.Column("missing", sa.Text(), nullable=True))
    op.add_column("archived_jobs", sa.Column("missing", sa.BigInteger(), nullable=True))
