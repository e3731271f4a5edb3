"""Whether the state knows whose account it is, and by which key the journal and the archive know
it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add three nullable columns; accounts with a known job or a line in the journal are bound."""
    op.add_column("accounts", sa.Column("bound_at", sa.BigInteger(), nullable=True))
    op.add_column("accounts", sa.Column("key", sa.Text(), nullable=True))
    op.add_column(
        "accounts", sa.Column("retired", sa.Boolean(create_constraint=False), nullable=True)
    )
    op.execute(
        "UPDATE accounts SET bound_at = 0 WHERE EXISTS (SELECT 1 FROM jobs WHERE jobs.account ="
        " accounts.name) OR EXISTS (SELECT 1 FROM journal WHERE journal.account = accounts.name)"
    )
