"""The newest plan of each account, with its jobs, for pages that show it."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add two tables; the next run fills them."""
    op.create_table(
        "plans",
        sa.Column("number", _SERIAL, nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("published_at", sa.BigInteger(), nullable=True),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_plans")),
    )
    op.create_index("ix_plans_account", "plans", ["account"])
    op.create_table(
        "plan_parts",
        sa.Column("row", _SERIAL, nullable=False),
        sa.Column("plan", sa.BigInteger(), nullable=False),
        sa.Column("list", sa.Text(), nullable=False),
        sa.Column("key", sa.BigInteger(), nullable=False),
        sa.Column("part", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plan"], ["plans.number"], name=op.f("fk_plan_parts_plan"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("row", name=op.f("pk_plan_parts")),
        sa.UniqueConstraint(
            "plan", "list", "key", "part", name=op.f("uq_plan_parts_plan_list_key_part")
        ),
    )
