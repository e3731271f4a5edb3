"""Indexes for the console's lists of archived jobs: by owner, and by build with all that the list
of builds reads.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_LONGEST = 300


def upgrade() -> None:
    """Shorten the names of builds that an index of PostgreSQL may not take, and add two indexes."""
    jobs = sa.table("archived_jobs", sa.column("build", sa.Text()))
    shortened = sa.func.substr(jobs.c.build, 1, _LONGEST)
    op.execute(
        sa.update(jobs).where(sa.func.length(jobs.c.build) > _LONGEST).values(build=shortened)
    )
    op.create_index("ix_archived_jobs_owner", "archived_jobs", ["owner", "ended_at"])
    op.create_index(
        "ix_archived_jobs_build",
        "archived_jobs",
        ["build", "account", "owner", "ended_at", "status", "size_bytes"],
    )
