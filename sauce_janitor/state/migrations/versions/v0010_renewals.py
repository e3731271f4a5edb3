"""When a lease was last renewed, by the database's clock; written where several machines share the
state.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a nullable column."""
    op.add_column("leases", sa.Column("renewed_at", sa.Float(), nullable=True))
