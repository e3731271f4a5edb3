"""Everything the program prints.

Text from Sauce Labs is hostile, and a stream can fail at any moment: both are handled here. It is
one module, longer than others, because all of it serves these two promises.

How to print, from any command:

    terminal.echo("Held: 3 jobs.")            a line of text; `err=True` for stderr
    terminal.write(report.csv_lines(rows))    the rows or the document of a listing, in pieces
    json_output.write(value, SHAPE)           the same, as one JSON document
    report.console(color=...)                 tables and colors
    terminal.confirm(question), ask(question) a question on stderr, its answer from stdin

`click.echo`, `print`, `sys.stdout`, `sys.stderr` and csv writers are not used anywhere else; ruff
and tests/unit/test_terminal.py refuse them.

A character that is not printable is shown as its JSON escape: `\\u001b`, `\\u202e`, `\\n`. So is a
character that the encoding of the stream lacks. Therefore JSON stays valid JSON, and no encoding
needs U+FFFD.

A write that fails never raises, so it never stops work. Only `write` and `write_file` report a full
disk, with OutputError: a listing that is cut short must not look whole. Commands that change
something print with `echo` and the console only.
"""

from __future__ import annotations

import codecs
import getpass
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
"""Characters that Unicode calls printable but that show nothing.

Two names that differ only in these would look the same.
"""

_WORD = re.compile(r"( *)(\S*?`[^`]*`\S*|\d{4}-\d\d-\d\d \d\d:\d\d(?::\d\d)? \S+|\S+)")
"""A word in which a line is not broken, and the blanks before it."""
_COMMAND = re.compile(r"( )(sauce-janitor [^ ].*)$")
_JOINTS = "-_./:,"
"""A word that is wider than its line is broken after one of these, where that is possible."""
_NOT_PLAIN = re.compile(r"[^ -~]")
_NOT_PLAIN_LINES = re.compile(r"[^ -~\n\t]")


def printable(value: object) -> str:
    """Return `value` as one line of printable text, every other character as its JSON escape."""
    return _NOT_PLAIN.sub(_shown, str(value))


def escaped(text: str) -> str:
    """Return text of several lines with everything but its line ends and tabs made printable."""
    return _NOT_PLAIN_LINES.sub(_shown, text)


def _shown(found: re.Match[str]) -> str:
    character = found[0]
    return character if character.isprintable() and character not in _HIDDEN else _escape(character)


def _escape(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    code = ord(character)
    if code > 0xFFFF:
        # JSON has no escape for these: it writes the two UTF-16 surrogates.
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
    """A standard stream whose writes never raise and never pass control characters on.

    It replaces `sys.stdout` and `sys.stderr`.
    """

    def __init__(self, under: TextIO | None) -> None:
        self._under = under
        self.gone = under is None
        """Nobody reads the stream: it was closed, or the reader of the pipe has ended."""
        self.failure: OSError | None = None
        """The error of the last write that failed, for example a full disk."""
        self.is_reported = False
        """Whether OutputError has already told the user about the failure."""

    @property
    def encoding(self) -> str:
        """Return the encoding of the stream below."""
        return getattr(self._under, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:
        """Return the error handler of the encoding: characters that it lacks become escapes."""
        return _REPLACE

    def isatty(self) -> bool:
        """Return whether the stream is a terminal."""
        # A stream that somebody has closed raises ValueError.
        with suppress(OSError, ValueError):
            return self._under is not None and self._under.isatty()
        return False

    def fileno(self) -> int:
        """Return the file descriptor. Raise OSError if there is none."""
        if self._under is None:
            raise OSError("the stream is closed")
        return self._under.fileno()

    def writable(self) -> bool:
        """Return True: writes never fail here."""
        return True

    def write(self, text: str) -> int:
        """Write text without its control characters."""
        if not isinstance(text, str):
            # click writes bytes to find out whether a stream is binary, and expects TypeError.
            raise TypeError("only text can be written here")
        self.write_styled(escaped(text))
        return len(text)

    def write_styled(self, text: str) -> None:
        """Write text that is already printable and may have terminal sequences of our own."""
        if self.encoding.lower().replace("-", "") != "utf8":
            # Not every stream takes an error handler: what its encoding lacks is escaped here.
            text = text.encode(self.encoding, _REPLACE).decode(self.encoding)
        self._attempt(lambda under: under.write(text))

    def copy_from(self, source: BinaryIO) -> None:
        """Write bytes unchanged; on a terminal as printable text.

        Raise OutputError for a binary file on a terminal.
        """
        buffer = getattr(self._under, "buffer", None)
        # A pipe or a file gets the bytes themselves: as text they would be re-encoded.
        if buffer is not None and not self.isatty():
            self.flush()
            self._attempt(lambda _: shutil.copyfileobj(source, buffer))
            return
        head = source.read(_HEAD_BYTES)
        # Text has no NUL byte. A video on a terminal would be a screen full of escapes.
        if b"\0" in head:
            raise OutputError("the file is binary and standard output is a terminal: add -o FILE")
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        while head:
            self.write(decoder.decode(head))
            head = source.read(_HEAD_BYTES)
        self.write(decoder.decode(b"", final=True))

    def flush(self) -> None:
        """Pass everything to the operating system, as far as it accepts it."""
        self._attempt(lambda under: under.flush())

    def _attempt(self, act: Callable[[TextIO], object]) -> None:
        # Once the reader has ended (`| head`), every further write would fail as well.
        if self._under is None or self.gone:
            return
        try:
            act(self._under)
        except (BrokenPipeError, ValueError):
            # ValueError: somebody closed the stream.
            self.gone = True
        except OSError as error:
            # Full, or failing. The next write is tried again, because space may become free.
            self.failure = error

    def settle(self) -> None:
        """Empty the buffer, so that the interpreter has nothing left to write when it ends."""
        self.flush()
        if self._under is None or not (self.gone or self.failure):
            return
        # What could not be written goes to /dev/null: otherwise the interpreter tries once more at
        # its end, prints a traceback and changes the exit code to 120.
        with suppress(OSError, ValueError):
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, self._under.fileno())
            os.close(devnull)
            self._under.flush()


def stream(*, err: bool = False) -> Stream:
    """Return the current stdout or, with `err`, stderr: tests and progress lines replace them."""
    now: Any = sys.stderr if err else sys.stdout
    return now if isinstance(now, Stream) else Stream(now)


def is_terminal(*, err: bool = False) -> bool:
    """Return whether stdout or, with `err`, stderr is a terminal."""
    return stream(err=err).isatty()


def echo(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print text with a line end. Never raise. On a terminal a long line is wrapped at a word."""
    out, text = stream(err=err), str(text)
    # Text of several lines is a document: it stays as it is.
    if nl and "\n" not in text and out.isatty():
        text = "\n".join(wrapped(text, shutil.get_terminal_size().columns))
    out.write(f"{text}\n" if nl else text)
    out.flush()


def wrapped(text: str, width: int, *, fold: bool = False) -> list[str]:
    """Return one line of text as lines of at most `width` cells, broken between words.

    The lines keep the indentation of the text. A time counts as one word, and so does text that
    people copy: text in backquotes, and a sauce-janitor command at the end. A word that is wider
    than `width` gets a line of its own, which the terminal breaks; with `fold` it is broken here,
    after a character such as `-` where possible.
    """
    from rich.cells import cell_len, chop_cells

    margin = text[: len(text) - len(text.lstrip(" "))]
    rest = f"{margin}    " if margin else ""
    command = _COMMAND.search(text)
    if command is None or cell_len(rest + command[2]) > width:
        # A command that is wider than a line is wrapped like other text.
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
            joint = max(map(head.rfind, _JOINTS)) + 1
            # A joint in the first half would waste the rest of the line.
            head = head[:joint] if joint > len(head) // 2 else head
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line]


def write(pieces: Iterable[str]) -> None:
    """Print the pieces of a listing, and stop to take pieces when nobody reads them any more.

    If the stream was closed from the start, all pieces are taken nevertheless: the errors and the
    exit code of the listing count. Raise OutputError when the disk is full.
    """
    out = stream()
    was_closed, out.failure = out.gone, None
    for piece in pieces:
        out.write(piece)
        if out.failure or (out.gone and not was_closed):
            break
    out.flush()
    _refuse_part(out)


def write_file(source: BinaryIO) -> None:
    """Print the bytes of a file.

    Raise OutputError when the disk is full, or for a binary file on a terminal.
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
    """Flush both streams, as far as they accept it."""
    stream().flush()
    stream(err=True).flush()


def can_ask() -> bool:
    """Return whether a person can answer: stdin is a terminal."""
    with suppress(OSError, ValueError):
        return sys.stdin is not None and sys.stdin.isatty()
    return False


def ask(question: str, *, default: str = "") -> str:
    """Ask on stderr and return the line from stdin, or `default` for an empty line.

    Raise click.Abort if there is no answer.
    """
    usual = f" [{default}]" if default else ""
    echo(f"{question}{usual}: ", err=True, nl=False)
    try:
        return input() or default
    except (EOFError, KeyboardInterrupt, RuntimeError, OSError, ValueError) as error:
        # Stdin is at its end, lost (RuntimeError), closed, or not readable as text (ValueError).
        echo(err=True)
        raise click.Abort from error


def ask_secret(question: str) -> str:
    """Ask on the terminal, and return the line that is typed there without being shown.

    Raise click.Abort if there is no answer.
    """
    flush()
    try:
        return getpass.getpass(f"{question}: ")
    except (EOFError, KeyboardInterrupt, OSError, ValueError) as error:
        echo(err=True)
        raise click.Abort from error


def confirm(question: str) -> bool:
    """Ask a question on stderr; only `y` and `yes` mean yes. Raise click.Abort if unanswered."""
    while (answer := ask(f"{question} [y/N]").strip().lower()) not in {"y", "yes", "n", "no", ""}:
        echo("Answer y or n.", err=True)
    return answer in {"y", "yes"}


@contextmanager
def guarded() -> Iterator[None]:
    """Replace both standard streams, so that the output of libraries and Python is safe too."""
    _open_standard_files()
    before = sys.stdout, sys.stderr
    out, err = stream(), stream(err=True)
    sys.stdout, sys.stderr = cast("TextIO", out), cast("TextIO", err)
    try:
        yield
    finally:
        # First stdout: whether all of it was written decides what stderr still says.
        out.settle()
        if out.failure and not out.is_reported:
            err.write(
                "sauce-janitor: standard output is incomplete:"
                f" {out.failure.strerror or out.failure}\n"
            )
        err.settle()
        sys.stdout, sys.stderr = before


def _open_standard_files() -> None:
    """Open /dev/null for each of the descriptors 0, 1 and 2 that is closed.

    Otherwise the next file that the program opens, such as the state database, would get that
    number, and printed text would be written into it.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                opened = os.open(os.devnull, os.O_RDWR)
                # A child process, such as the browser of `archive open`, expects all three.
                os.set_inheritable(opened, True)  # noqa: FBT003 - takes no name
