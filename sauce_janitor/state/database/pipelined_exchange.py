"""An exchange with a PostgreSQL server in two messages: the first begins the transaction, locks and
asks; the second writes and commits. Waiting for the answer to each statement would cost more than
the statements.

The server carries out the statements of a message one after the other, each with a snapshot of its
own, as if each had come alone. After the first that fails it carries out none, so the commit at the
end of a message follows no failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Engine, Executable, event
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ClauseElement

from sauce_janitor.errors import StateError
from sauce_janitor.state.database.dialect import Question

_MESSAGE: Final = "message"
"""SQLAlchemy's option of an execution with what is sent instead of its statement: so the library
treats a failure like that of any statement, and replaces connections that broke.
"""


@dataclass(frozen=True, slots=True)
class SentStatement:
    """A statement as the driver takes it; `refused` is what to say where a rule of the schema
    refuses it.
    """

    statement: bytes
    values: Mapping[str, Any] | Sequence[Any] = ()
    refused: str | None = None


@dataclass(slots=True)
class Message:
    """Statements that are sent together, and a cursor of the driver for each."""

    statements: Sequence[SentStatement]
    is_last: bool
    cursors: list[Any] = field(default_factory=list)

    def failed(self) -> SentStatement:
        """Return the first statement that was not carried out."""
        return next(
            sent
            for sent, cursor in zip(self.statements, self.cursors, strict=False)
            if cursor.pgresult is None
        )


_COMMIT: Final = SentStatement(b"COMMIT")


class PipelinedExchange:
    """Collects what is told, and sends it with the next question or with the commit."""

    def __init__(self, connection: Connection, opening: Sequence[SentStatement]) -> None:
        """`connection` begins no transaction by itself: `opening` does."""
        self._connection = connection
        self._unsent = [*opening]

    def ask(self, *questions: Question) -> list[Sequence[Any]]:
        """Return all rows of each."""
        self._unsent += [self._sent(*question) for question in questions]
        return [cursor.fetchall() for cursor in self._send()[-len(questions) :]]

    def tell(
        self, statement: Executable, values: Mapping[str, Any], *, refused: str | None = None
    ) -> None:
        """Keep it for the next message."""
        self._unsent.append(self._sent(statement, values, refused))

    def end(self) -> None:
        """Send the rest and the commit. Raise StateError where a rule of the schema refuses it."""
        self._unsent.append(_COMMIT)
        self._send(last=True)

    def _sent(
        self, statement: Executable, values: Mapping[str, Any], refused: str | None = None
    ) -> SentStatement:
        text, set_by_itself = _compiled(self._connection, statement, tuple(values))
        return SentStatement(text, {**set_by_itself, **values}, refused)

    def _send(self, *, last: bool = False) -> list[Any]:
        message, self._unsent = Message(self._unsent, last), []
        try:
            self._connection.exec_driver_sql("", execution_options={_MESSAGE: message})
        except IntegrityError as error:
            refused = message.failed().refused
            if refused is None:
                raise
            raise StateError(f"{refused}: {error.orig}") from error
        return message.cursors


def send_messages(engine: Engine) -> None:
    """Let an engine send what an exchange gives it."""
    event.listen(engine, "do_execute", _send_message)


def _send_message(cursor: Any, _statement: str, _values: object, context: Any) -> bool:
    """Send a message and return True; return False for a statement that came alone."""
    message: Message | None = context.execution_options.get(_MESSAGE)
    if message is None:
        return False
    statements = [(each.statement, each.values) for each in message.statements]
    cursor.connection.together(statements, message.cursors, last=message.is_last)
    return True


def _compiled(
    connection: Connection, statement: Executable, names: tuple[str, ...]
) -> tuple[bytes, Mapping[str, Any]]:
    assert isinstance(statement, ClauseElement)
    return _compiled_for(connection.dialect, statement, names)


# As many statements as there are in the journal, for a few engines.
@lru_cache(maxsize=128)
def _compiled_for(
    dialect: Any, statement: ClauseElement, names: tuple[str, ...]
) -> tuple[bytes, Mapping[str, Any]]:
    """Return the statement for the driver, and the values in it that nobody gives."""
    compiled = statement.compile(
        dialect=dialect, column_keys=names, compile_kwargs={"render_postcompile": True}
    )
    given = {name: value for name, value in compiled.params.items() if name not in names}
    return str(compiled).encode(), given
