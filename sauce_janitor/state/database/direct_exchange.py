"""An exchange with a database in this process: each statement is carried out at once, because a
message costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.exc import IntegrityError

from sauce_janitor.errors import StateError
from sauce_janitor.state.database.dialect import Question


class DirectExchange:
    """Carries out each statement when it comes. The transaction ends it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def ask(self, *questions: Question) -> list[Sequence[Any]]:
        """Return all rows of each."""
        return [self._connection.execute(asked, values).all() for asked, values in questions]

    def tell(
        self, statement: Executable, values: Mapping[str, Any], *, refused: str | None = None
    ) -> None:
        """Carry it out. Raise StateError where a rule of the schema refuses it."""
        try:
            # A list: the library asks for no number of a new row then.
            self._connection.execute(statement, [values])
        except IntegrityError as error:
            if refused is None:
                raise
            raise StateError(f"{refused}: {error.orig}") from error

    def end(self) -> None:
        """Do nothing: everything is carried out, and the transaction commits it."""
