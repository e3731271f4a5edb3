"""Everything the program prints. Text from Sauce Labs is hostile, and a stream can fail at any moment: both are handled here.

How to print, from any command:

    terminal.echo("Held: 3 jobs.")            a line of text; `err=True` for stderr
    terminal.write(report.csv_lines(rows))    what a listing is called for: rows or a document, piece by piece
    terminal.write_json(document)             the same, one JSON document
    terminal.json_text(document)              JSON as text, for `echo` or a file
    report.console(color=...)                 tables and colours
    terminal.confirm(question), ask(question) a question on stderr, its answer from stdin

`click.echo`, `print`, `sys.stdout`, `sys.stderr` and csv writers are not used anywhere else; ruff and
tests/unit/test_terminal.py refuse them.

A character that is not printable is shown as its JSON escape: `\\u001b`, `\\u202e`, `\\n`. So is a character that the
stream's encoding lacks. JSON therefore stays valid JSON, and no encoding needs U+FFFD.

A write that fails never raises, so it never stops work. Only `write` and `write_json` report a full disk, with OutputError: a
listing that is cut short must not look whole. Commands that change something print with `echo` and the console alone.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TextIO, cast

import click

from sauce_janitor.errors import OutputError

_HEAD_BYTES = 8192
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_HIDDEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE0E)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
"""Characters that Unicode calls printable and that show nothing: two names that differ in them look
the same.
"""

_WORD = re.compile(r"( *)(\S*?`[^`]*`\S*|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? \S+|\S+)")
"""A word that a line is not broken in, and the blanks before it."""
_COMMAND = re.compile(r"( )(sauce-janitor [^ ].*)$")
_JOINTS = "-_./:,"
_NOT_PLAIN = re.compile(r"[^ -~]")
_NOT_PLAIN_LINES = re.compile(r"[^ -~\n\t]")


def printable(value: object) -> str:
    """Return `value` as one line of printable text; every other character is shown as its JSON
    escape.
    """
    return _NOT_PLAIN.sub(_shown, str(value))


def escaped(text: str) -> str:
    """Return text of several lines with all but its line ends and tabs made printable."""
    return _NOT_PLAIN_LINES.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() and character not in _HIDDEN else _escape(character)


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code > 0xFFFF:  # JSON has no escape for these: it writes the two UTF-16 surrogates
        code -= 0x10000
        return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
    return f"\\u{code:04x}"


def _replace(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(map(_escape, error.object[error.start : error.end])), error.end


_REPLACE = "sauce_janitor.escape"
codecs.register_error(_REPLACE, _replace)


def json_text(value: object, *, indent: int | None = 2) -> str:
    """Return `value` as JSON of printable characters."""
    return escaped(json.dumps(value, indent=indent, ensure_ascii=False))


class Stream:
    """A standard stream whose writes never raise and show nothing raw. Takes the place of
    `sys.stdout` and `sys.stderr`.
    """

    def __init__(self, under: TextIO | None) -> None:
        self._under = under
        self.gone = under is None
        """Nobody reads this: the stream was closed, or the reader of the pipe has ended."""
        self.failure: OSError | None = None
        """Why the last write that failed did: a full disk, for example."""
        self.is_reported = False

    @property
    def encoding(self) -> str:
        """Return the encoding of the stream below."""
        return getattr(self._under, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:
        """Return how characters that the encoding lacks are written: always as escapes."""
        return _REPLACE

    def isatty(self) -> bool:
        """Say whether a person looks at it."""
        with suppress(OSError, ValueError):
            return self._under is not None and self._under.isatty()
        return False

    def fileno(self) -> int:
        """Return the file descriptor. OSError without one."""
        if self._under is None:
            raise OSError("the stream is closed")
        return self._under.fileno()

    def writable(self) -> bool:
        """Say yes: writes never fail here."""
        return True

    def write(self, text: str) -> int:
        """Write text without its control characters."""
        if not isinstance(text, str):  # click asks in this way whether a stream is binary
            raise TypeError("only text can be written here")
        self.write_styled(escaped(text))
        return len(text)

    def write_styled(self, text: str) -> None:
        """Write text that is printable already, with terminal sequences of our own in it."""
        if self.encoding.lower().replace("-", "") != "utf8":
            text = text.encode(self.encoding, _REPLACE).decode(self.encoding)
        self._attempt(lambda under: under.write(text))

    def copy_from(self, source: BinaryIO) -> None:
        """Write bytes as they are; on a terminal as printable text. OutputError for a binary file
        on a terminal.
        """
        buffer = getattr(self._under, "buffer", None)
        if buffer is not None and not self.isatty():
            self.flush()
            self._attempt(lambda _: shutil.copyfileobj(source, buffer))
            return
        head = source.read(_HEAD_BYTES)
        if b"\0" in head:
            raise OutputError("the file is binary and standard output is a terminal: say -o FILE")
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        while head:
            self.write(decoder.decode(head))
            head = source.read(_HEAD_BYTES)
        self.write(decoder.decode(b"", final=True))

    def flush(self) -> None:
        """Hand everything to the operating system, as far as it takes it."""
        self._attempt(lambda under: under.flush())

    def _attempt(self, act: Callable[[TextIO], object]) -> None:
        if self._under is None or self.gone:
            return
        try:
            act(self._under)
        except (BrokenPipeError, ValueError):  # ValueError: somebody closed the stream
            self.gone = True
        except (
            OSError
        ) as error:  # full, or failing; the next write is tried again, since space may be freed
            self.failure = error

    def settle(self) -> None:
        """Leave nothing in the buffer that the interpreter would fail to write when it ends."""
        self.flush()
        if self._under is None or not (self.gone or self.failure):
            return
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._under.fileno())
            os.close(nowhere)
            self._under.flush()


def stream(*, err: bool = False) -> Stream:
    """Return stdout or stderr as it is now: tests and progress lines put their own in its place."""
    now: Any = sys.stderr if err else sys.stdout
    return now if isinstance(now, Stream) else Stream(now)


def is_terminal(*, err: bool = False) -> bool:
    """Say whether a person looks at stdout or, with `err`, at stderr."""
    return stream(err=err).isatty()


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text with a line end. It never raises. On a terminal a sentence goes on in the next
    line at a word.
    """
    out, text = stream(err=err), str(text)
    if (
        nl and "\n" not in text and out.isatty()
    ):  # what has several lines is a document: it stays as it is
        text = "\n".join(wrapped(text, shutil.get_terminal_size().columns))
    out.write(f"{text}\n" if nl else text)
    out.flush()


def wrapped(text: str, width: int, *, fold: bool = False) -> list[str]:
    """Return one line of text as lines of at most so many cells, broken between words, with the
    indentation that it has.

    A time is one word, and so is what is there to be copied: text in backquotes, and a command of
    ours at the end. A word that is wider than the line has a line of its own, which the terminal
    breaks; with `fold` it is broken here, after a sign such as -.
    """
    from rich.cells import cell_len, chop_cells

    margin = text[: len(text) - len(text.lstrip(" "))]
    rest = f"{margin}    " if margin else ""
    command = _COMMAND.search(text)
    if command is None or cell_len(rest + command[2]) > width:
        words = _WORD.findall(text.strip(" "))
    else:
        words = [*_WORD.findall(text[: command.start()].strip(" ")), command.groups()]
    lines, line = [], margin
    for blank, word in words:
        if line.strip(" ") and cell_len(line + blank + word) > width:
            lines.append(line)
            line = rest + word
        else:
            line += blank + word
        while fold and cell_len(line) > width:
            head = chop_cells(line, width)[0]
            sign = max(map(head.rfind, _JOINTS)) + 1
            head = head[:sign] if sign > len(head) // 2 else head
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line]


def write(pieces: Iterable[str]) -> None:
    """Print what a listing is called for, and take no more pieces when nobody reads them.

    A stream that was closed from the start is not read, but the listing is made: its errors and
    exit code count. OutputError when the disk is full.
    """
    out = stream()
    was_closed, out.failure = out.gone, None
    for piece in pieces:
        out.write(piece)
        if out.failure or (out.gone and not was_closed):
            break
    out.flush()
    _refuse_part(out)


def write_json(value: object) -> None:
    """Print one JSON document. OutputError when the disk is full."""
    write([json_text(value), "\n"])


def write_file(source: BinaryIO) -> None:
    """Print a file's bytes. OutputError when the disk is full, or for a binary file on a
    terminal.
    """
    out = stream()
    out.failure = None
    out.copy_from(source)
    out.flush()
    _refuse_part(out)


def _refuse_part(out: Stream) -> None:
    if out.failure:
        failure, out.is_reported = out.failure, True
        raise OutputError(
            f"standard output is incomplete: {failure.strerror or failure}"
        ) from failure


def flush() -> None:
    """Flush both streams, as far as they take it."""
    stream().flush()
    stream(err=True).flush()


def can_ask() -> bool:
    """Say whether a person can answer: stdin is a terminal."""
    with suppress(OSError, ValueError):
        return sys.stdin is not None and sys.stdin.isatty()
    return False


def ask(question: str, *, default: str = "") -> str:
    """Ask on stderr and return the line from stdin, or the default for an empty one. click.Abort
    without an answer.
    """
    usual = f" [{default}]" if default else ""
    echo(f"{question}{usual}: ", err=True, nl=False)
    try:
        return input() or default
    except (
        EOFError,
        KeyboardInterrupt,
        RuntimeError,
        OSError,
        ValueError,
    ) as ended:  # closed, or not readable as text
        echo(err=True)
        raise click.Abort from ended


def confirm(question: str) -> bool:
    """Ask a question on stderr; only y or yes is a yes. click.Abort without an answer."""
    while (answer := ask(f"{question} [y/N]").strip().lower()) not in {"y", "yes", "n", "no", ""}:
        echo("Answer y or n.", err=True)
    return answer in {"y", "yes"}


@contextmanager
def guarded() -> Iterator[None]:
    """Put both standard streams behind this module, so that what libraries and the interpreter
    print is harmless, too.
    """
    _open_standard_files()
    before = sys.stdout, sys.stderr
    out, err = stream(), stream(err=True)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield
    finally:
        out.settle()
        if out.failure and not out.is_reported:
            err.write(
                "sauce-janitor: standard output is incomplete:"
                f" {out.failure.strerror or out.failure}\n"
            )
        err.settle()
        sys.stdout, sys.stderr = before


def _open_standard_files() -> None:
    """Open /dev/null for each of 0, 1 and 2 that is closed: else the next file that is opened would
    be taken for it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003 - takes no name
