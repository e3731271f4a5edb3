"""The team of a job, where Sauce Labs reports it."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a nullable column: for jobs listed before, the team is unknown."""
    op.add_column("jobs", sa.Column("team_id", sa.Text(), nullable=True))
