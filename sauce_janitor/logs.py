"""The setup of structlog: one event for each fact, as console lines for people or JSON lines for
machines, always on stderr.

Text from Sauce Labs (names, tags, builds) is hostile: every value is made printable before it is
rendered, so that a job's name can neither forge a line nor control a terminal. A line that cannot
be written is lost, and nothing fails because of it.
"""

from __future__ import annotations

import logging
import os
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
    """Return the event with printable values; only a traceback keeps its lines."""
    return {
        key: terminal.escaped(str(value)) if key == "exception" else _clean(value)
        for key, value in event.items()
    }


class _Stderr:
    """Writes to the sys.stderr of that moment, because a progress bar replaces it while it shows.

    Text that arrives here is already printable.
    """

    def write(self, text: str) -> int:
        terminal.stream(err=True).write_styled(text)
        return len(text)

    def flush(self) -> None:
        terminal.stream(err=True).flush()


class _Lines(logging.Handler):
    """Prints the messages of libraries: one line each, with the traceback below it."""

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.levelname}:{record.name}:{terminal.printable(record.getMessage())}"
        if record.exc_info:
            text += "\n" + logging.Formatter().formatException(record.exc_info)
        terminal.echo(text, err=True)


def _without(events: Collection[str]) -> structlog.types.Processor:
    """Return a processor that drops these events, and the lines that sum them up."""

    def drop(
        _logger: object, _method: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        if event.get("event") in events or event.get("of") in events:
            raise structlog.DropEvent
        return event

    return drop


def configure(
    log_format: str | None, level: str, *, color: bool | None = None, reported: Collection[str] = ()
) -> None:
    """Set up logging for the process.

    `log_format` is "console", "json" or None: console on a terminal, otherwise JSON. `color` None
    means color on a terminal, unless NO_COLOR is set. Events in `reported` are not logged, because
    the command's report shows them. Warnings of libraries are printed the same way; their debug
    lines are not, because urllib3 would log whole URLs.
    """
    has_terminal = terminal.is_terminal(err=True)
    as_json = log_format == "json" or (log_format is None and not has_terminal)
    if color is None:
        color = has_terminal and not os.environ.get("NO_COLOR")
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=color)
    )
    structlog.configure(
        processors=[
            _without(reported),
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            # Programs compare times: ISO 8601 in UTC. A person gets the time of this machine.
            structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
            structlog.processors.format_exc_info,
            _clean_event,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(file=cast("TextIO", _Stderr())),
        # A process may configure logging more than once: `demo` runs two commands.
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_Lines()], force=True)
