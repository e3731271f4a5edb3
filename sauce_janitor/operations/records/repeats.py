"""Logs what may happen to many jobs in one run: one line for each kind, not for each job.

The first lines of a kind are logged as they happen, at their own level. The others are logged at
debug level, and at the end of the run one `log.repeated` line says how many there were, with
examples. Metrics, the journal and the run's summary count every one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

NAMED: Final = 3
"""This many lines show what a kind looks like; ten thousand would hide everything else."""
_EACH = "with --log-level debug (-v)"


@dataclass(slots=True)
class _Kind:
    lines: int = 0
    examples: dict[str, None] = field(default_factory=dict)


class RepeatedEvents:
    """Logs events that may occur once for each job. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kinds: dict[tuple[tuple[str, str], ...], _Kind] = {}

    def warning(
        self,
        log: Any,
        event: str,
        *,
        example: str,
        kind: Mapping[str, str] | None = None,
        **about: Any,
    ) -> None:
        """Log a warning. `example` is the job or owner. Events with a different `kind` are counted
        separately.
        """
        self._say(log, "warning", event, example, kind or {}, about)

    def error(
        self,
        log: Any,
        event: str,
        *,
        example: str,
        kind: Mapping[str, str] | None = None,
        **about: Any,
    ) -> None:
        """Log an error; the arguments are those of `warning`."""
        self._say(log, "error", event, example, kind or {}, about)

    def _say(
        self,
        log: Any,
        level: str,
        event: str,
        example: str,
        kind: Mapping[str, str],
        about: Mapping[str, Any],
    ) -> None:
        with self._lock:
            counted = self._kinds.setdefault((("of", event), *kind.items()), _Kind())
            counted.lines += 1
            is_named = counted.lines <= NAMED
            if len(counted.examples) < NAMED:
                counted.examples[example] = None
        getattr(log, level if is_named else "debug")(event, **about)

    def conclude(self, log: Any) -> None:
        """Log how many there were of each kind that was not logged in full, and forget them all."""
        with self._lock:
            kinds, self._kinds = self._kinds, {}
        for kind, counted in kinds.items():
            if counted.lines > NAMED:
                log.warning(
                    "log.repeated",
                    **dict(kind),
                    count=counted.lines,
                    examples=list(counted.examples),
                    each=_EACH,
                )
