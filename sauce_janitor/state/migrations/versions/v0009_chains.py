"""A chain of the journal for each account, so that writers of two accounts need not wait for each
other.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a nullable column, a unique index and a table. The lines that are there stay in the chain
    that they are in, which ends here: each new one begins with its hash.
    """
    op.add_column("journal", sa.Column("number", sa.BigInteger(), nullable=True))
    op.create_index("uq_journal_chain", "journal", ["account", "number"], unique=True)
    op.create_table(
        "journal_chains",
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.PrimaryKeyConstraint("account", name=op.f("pk_journal_chains")),
    )
    # Without a lock on the whole journal, only a sequence gives every line another number.
    if op.get_bind().dialect.name == "postgresql":
        op.execute("CREATE SEQUENCE journal_seq OWNED BY journal.seq")
        op.execute("SELECT setval('journal_seq', coalesce(max(seq), 0) + 1, false) FROM journal")
