"""structlog, set up once: one event a fact, console lines for people, JSON lines for machines,
always on stderr.

Text that comes from Sauce Labs (names, tags, builds) is hostile: every value is made printable
before it is rendered, so that a job's name can neither forge a line nor drive a terminal. A line
that cannot be written is lost, and stops nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, MutableMapping
from typing import Any, TextIO, cast

import structlog

from sauce_janitor import terminal

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def _clean(value: object) -> object:
    if isinstance(value, str):
        return terminal.printable(value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return value


def _clean_event(
    _logger: object, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    return {
        key: terminal.escaped(str(value)) if key == "exception" else _clean(value)
        for key, value in event.items()
    }


class _Stderr:
    """Whatever sys.stderr is when a line is written: a progress bar puts itself between. What
    arrives here is printable.
    """

    def write(self, text: str) -> int:
        terminal.stream(err=True).write_styled(text)
        return len(text)

    def flush(self) -> None:
        terminal.stream(err=True).flush()


class _Lines(logging.Handler):
    """Prints what libraries log: one line a message, its traceback below."""

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname}:{record.name}:{terminal.printable(record.getMessage())}"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        terminal.echo(text, err=True)


def _without(events: Collection[str]) -> structlog.types.Processor:
    """Return what drops these events, and the lines that count them."""

    def drop(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if event.get("event") in events or event.get("of") in events:
            raise structlog.DropEvent
        return event

    return drop


def configure(
    log_format: str | None, level: str, *, color: bool | None = None, told: Collection[str] = ()
) -> None:
    """Set up logging for the process. Events in `told` are not logged: the command's report says
    them.

    `log_format` is "console", "json" or None (console on a terminal, else JSON); `color` None
    means: on a terminal, unless NO_COLOR is set. Libraries' warnings go the same way; their debug
    lines never do (urllib3 would log whole URLs).
    """
    watched = terminal.is_terminal(err=True)
    as_json = log_format == "json" or (log_format is None and not watched)
    if color is None:
        import os

        color = watched and not os.environ.get("NO_COLOR")
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=color)
    )
    structlog.configure(
        processors=[
            _without(told),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
            structlog.processors.format_exc_info,
            _clean_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Stderr())),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Lines()], force=True)
