"""The environment in which Alembic runs a migration: the connection, and so the transaction, that
opens the state.
"""

from __future__ import annotations

from alembic import context

from sauce_janitor.state.database.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite alters a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
