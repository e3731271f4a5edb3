"""A connection to a PostgreSQL server that waits for no answer without end.

A frozen server (a stopped process, a paused virtual machine, a standby that must confirm and does
not) keeps its connections: its kernel acknowledges every packet, so neither keepalives nor TCP's
own time limit notices. The driver has no time limit for an answer; but it asks the generator that
waits ten times a second, and so this one looks at its clock there.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any

import psycopg


class LimitedConnection(psycopg.Connection[Any]):
    """A connection that is closed when an answer takes longer than `answer_s` seconds; None: it may
    take as long as it takes.

    Then OperationalError is raised. What was sent may still take effect, as after any lost
    connection.
    """

    answer_s: float | None = 10.0

    def wait(self, gen: Generator[Any, Any, Any], *how: Any, **more: Any) -> Any:
        """Wait for what the generator waits for, and return its result."""
        return super().wait(self._limited(gen), *how, **more)

    def _limited(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
        limit_s, began = self.answer_s, time.monotonic()
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                # Nothing came since the last look. What is there is read, however late it is.
                if not ready and limit_s is not None and time.monotonic() - began > limit_s:
                    gen.close()
                    self.close()
                    raise psycopg.OperationalError(
                        f"the server did not answer within {limit_s:.0f} s"
                    )
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value
