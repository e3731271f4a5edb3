"""A connection to a PostgreSQL server that waits for no answer without end.

A frozen server (a stopped process, a paused virtual machine, a standby that must confirm and does
not) keeps its connections: its kernel acknowledges every packet, so neither keepalives nor TCP's
own time limit notices. The driver has no time limit for an answer; but it asks the generator that
waits ten times a second, and so this one looks at its clock there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row

# What goes wrong with a pipeline is raised; a warning that its end failed, too, tells nothing more.
logging.getLogger("psycopg").setLevel(logging.ERROR)


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer takes longer than `answer_s` seconds; None: it may
    take as long as it takes.

    Then OperationalError is raised. What was sent may still take effect, as after any lost
    connection.
    """

    answer_s: float | None = 10.0
    _opened: tuple[ExitStack, psycopg.Pipeline] | None = None

    def wait(self, gen: Generator[Any, Any, Any], *how: Any, **more: Any) -> Any:
        """Wait for what the generator waits for, and return its result."""
        return super().wait(self._limited(gen), *how, **more)

    def together(
        self,
        statements: Sequence[tuple[bytes, Any]],
        cursors: list[psycopg.Cursor[Any]],
        *,
        last: bool,
    ) -> None:
        """Send statements with their values, then wait for all answers; add a cursor for each. Who
        calls begins and ends the transaction, by statements. After the `last` ones, or a rollback,
        the connection is as before.

        After the first that fails, the server carries out none, and its error is raised: then only
        the cursors before it have a result.
        """
        said: list[tuple[str, str]] = []

        def note(each: psycopg.errors.Diagnostic) -> None:
            # Now: it is read from memory that is free later.
            said.append((each.sqlstate or "", each.message_primary or ""))

        self.add_notice_handler(note)
        try:
            self._send(statements, cursors, last=last)
        except psycopg.OperationalError as error:
            # Why the server closed the connection meanwhile, the driver takes for a mere notice.
            for code, text in said if error.sqlstate is None else ():
                with suppress(KeyError):
                    raise psycopg.errors.lookup(code)(text) from error
            raise
        finally:
            self.remove_notice_handler(note)

    def _send(
        self,
        statements: Sequence[tuple[bytes, Any]],
        cursors: list[psycopg.Cursor[Any]],
        *,
        last: bool,
    ) -> None:
        # The driver would begin a transaction by itself, and wait for the answer.
        if not self.autocommit and self.info.transaction_status == TransactionStatus.IDLE:
            self.autocommit = True
        if self._opened is None:
            stack = ExitStack()
            self._opened = stack, stack.enter_context(self.pipeline())
        for statement, values in statements:
            cursor = self.cursor(row_factory=namedtuple_row)
            cursors.append(cursor)
            cursor.execute(statement, values)
        if last:
            self._leave_pipeline()
        # Not left within the transaction: the driver would send more than the server answers, which
        # then does not notice that the transaction stands still.
        else:
            self._opened[1].sync()

    def rollback(self) -> None:
        """Roll back."""
        # What is still to be read says only that nothing more was carried out.
        with suppress(psycopg.Error):
            self._leave_pipeline()
        super().rollback()

    def close(self) -> None:
        """Close it."""
        super().close()
        # What it was for is over.
        with suppress(psycopg.Error):
            self._leave_pipeline()

    def _leave_pipeline(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened[0].close()

    def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        limit_s, began = self.answer_s, time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                # Nothing came since the last look. What is there is read, however late it is.
                if not ready and limit_s is not None and time.monotonic() - began > limit_s:
                    gen.close()
                    # Not what this class adds to it: the pipeline waits here.
                    super().close()
                    raise psycopg.OperationalError(
                        f"the server did not answer within {limit_s:.0f} s"
                    )
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value
