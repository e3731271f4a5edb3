"""Checks that a long JSON text is complete, by its strings and brackets, in one pass and flat
memory.

Pure. Numbers and words are not parsed: a cut or foreign body shows in the structure, and a log of
hundreds of megabytes must neither fill the memory nor hold up other jobs. The work is done by bytes
methods written in C, not per character.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_SPACE = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_BRACKET = re.compile(rb"[][{}]")
_NO_BRACKET = bytes(set(range(256)) - set(b"{}[]"))
# With the letters of NaN and Infinity, which are no JSON, but which many programs write.
_OUTSIDE_STRINGS = b'{}[]:,"' + _SPACE + b"0123456789+-.eE" + b"truefalsnN" + b"aIity"
_OPENED_BY = {ord("}"): ord("{"), ord("]"): ord("[")}
_DEEPEST = 100_000
_ROUNDS = 16


class NotJsonError(ValueError):
    """The text is no JSON object or array; the message says why."""


def check_structure(pieces: Iterable[bytes]) -> None:
    """Read the pieces to their end.

    Raises NotJsonError unless they are one JSON object or array by strings, brackets and alphabet.
    """
    text = _Text()
    for piece in pieces:
        text.feed(piece)
    text.end()


class _Text:
    """What is known of the text so far: whether it is in a string, which brackets are open, its
    end.
    """

    def __init__(self) -> None:
        self._begun = False
        self._over = False
        self._in_string = False
        self._escape = b""
        self._open = bytearray()

    def feed(self, piece: bytes) -> None:
        if not self._begun:
            piece = piece.removeprefix(_BOM).lstrip(_SPACE)
            if not piece:
                return
            if piece[:1] not in {b"{", b"["}:
                raise NotJsonError("it begins with neither an object nor an array")
        outside = self._outside_strings(piece)
        if outside.translate(None, _OUTSIDE_STRINGS):
            raise NotJsonError("there is a character outside its strings that JSON does not allow")
        if self._over:
            self._expect_nothing(outside)
        elif not self._begun or not self._follow_quickly(outside):
            self._follow(outside)
        self._begun = True

    def end(self) -> None:
        if not self._over or self._in_string or self._escape:
            raise NotJsonError("it is cut off")

    def _outside_strings(self, piece: bytes) -> bytes:
        """Return the piece with a lone quote for each string (or part of one)."""
        piece = self._escape + piece
        # An odd number of backslashes at the end: the last one escapes the first byte of the next
        # piece.
        slashes = len(piece) - len(piece.rstrip(b"\\"))
        self._escape = b"\\" if slashes % 2 else b""
        if self._escape:
            piece = piece[:-1]
        # The order matters: of `\\"` the backslashes belong together, and the quote ends the
        # string.
        parts = piece.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
        outside = b'"'.join(parts[1 if self._in_string else 0 :: 2])
        if len(parts) % 2 == 0:
            self._in_string = not self._in_string
        return outside + b'"' if self._in_string else outside

    def _follow_quickly(self, outside: bytes) -> bool:
        """Cancel matching neighbors and apply what remains.

        False, and nothing changed, where the end may be near.
        """
        brackets = outside.translate(None, _NO_BRACKET)
        # Most brackets close soon, so a few rounds remove nearly all of them without a loop over
        # each.
        for _ in range(_ROUNDS):
            fewer = brackets.replace(b"{}", b"").replace(b"[]", b"")
            if len(fewer) == len(brackets):
                break
            brackets = fewer
        still_open = bytearray(self._open)
        for bracket in brackets:
            _apply(still_open, bracket)
            # The end of the text may be in this piece; only the slow way finds where.
            if not still_open:
                return False
        self._open = still_open
        return True

    def _follow(self, outside: bytes) -> None:
        for found in _BRACKET.finditer(outside):
            _apply(self._open, outside[found.start()])
            if not self._open:
                self._over = True
                self._expect_nothing(outside[found.end() :])
                return

    def _expect_nothing(self, outside: bytes) -> None:
        if outside.strip(_SPACE):
            raise NotJsonError("there is data after its end")


def _apply(still_open: bytearray, bracket: int) -> None:
    opener = _OPENED_BY.get(bracket)
    if opener is None:
        still_open.append(bracket)
        if len(still_open) > _DEEPEST:
            raise NotJsonError("it is nested too deeply")
    elif not still_open or still_open.pop() != opener:
        raise NotJsonError("its brackets do not match")
