"""The progress of verifications of the archive, so that an interrupted one can be resumed; and how
the last one ended.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import select

from sauce_janitor.state.database.dialect import put
from sauce_janitor.state.database.tables import meta
from sauce_janitor.state.database.transactions import Database

_KEY: Final = "verification "


class Verifications:
    """One entry for each scope (an account and owner, or all): JSON values as the verifier needs
    them. Raises StateError.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, scope: str, standing: Mapping[str, Any]) -> None:
        """Store the progress, in place of the previous one."""
        key, value = _KEY + scope, json.dumps(standing, sort_keys=True)
        with self._database.writing() as connection:
            put(connection, meta, {"key": key, "value": value})

    def kept(self, scope: str) -> Mapping[str, Any] | None:
        """Return the stored progress, None where there is none."""
        with self._database.reading() as connection:
            value = connection.execute(
                select(meta.c.value).where(meta.c.key == _KEY + scope)
            ).scalar()
        return None if value is None else json.loads(value)
