"""structlog, set up once: one event a fact, console lines for people, JSON lines for machines, always on stderr.

Text that comes from Sauce Labs (names, tags, builds) is hostile: control and bidirectional characters are taken out of every
value before it is rendered, so that a job's name can neither forge a line nor drive a terminal.
"""

from __future__ import annotations

import logging
import sys
import unicodedata
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

_STRIPPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def printable(text: str) -> str:
    """`text` without control, format (bidirectional, zero-width), surrogate and line separator characters."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(character for character in text if unicodedata.category(character) not in _STRIPPED)


def _clean(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _clean_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _clean(value) if key != "exception" else value for key, value in event.items()}


class _Stderr:
    """Whatever sys.stderr is when a line is written: a progress bar puts itself between."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


def configure(log_format: str | None, level: str, *, color: bool | None = None) -> None:
    """Set up logging for the process.

    `log_format` is "console", "json" or None (console on a terminal, else JSON); `color` None means: on a terminal, unless
    NO_COLOR is set. Libraries' warnings go the same way; their debug lines never do (urllib3 would log whole URLs).
    """
    terminal = sys.stderr.isatty()
    as_json = log_format == "json" or (log_format is None and not terminal)
    if color is None:
        import os

        color = terminal and not os.environ.get("NO_COLOR")
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=color, exception_formatter=structlog.dev.plain_traceback)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
            structlog.processors.format_exc_info if as_json else _unchanged,
            _clean_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Stderr())),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, force=True)


def _unchanged(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return event
