"""Which copies were read back from the disk, and when: for configurations that trust that for a
while before a delete.
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; a copy that was read back before this version is read again before its
    delete.
    """
    op.create_table(
        "read_backs",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("job_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account", "job_id", name=op.f("pk_read_backs")),
    )
