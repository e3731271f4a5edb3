"""Reads an answer's body: streamed, decoded by its header, bounded, and proven to be complete."""

from __future__ import annotations

import http.client
import zlib
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

from urllib3.exceptions import HTTPError

from sauce_janitor.errors import AnswerError, OversizedAnswerError
from sauce_janitor.sauce.http.exchange_watch import InterruptedAnswerError

CHUNK_BYTES: Final = 256 * 1024
_SMALLEST_CHUNK: Final = 64 * 1024
_MAX_RATIO: Final = 200
# Small texts may well be repetitive: the ratio is checked beyond this size.
_RATIO_SLACK: Final = 1024 * 1024
_GZIP_MAGIC: Final = b"\x1f\x8b"
_REAL_CODINGS: Final = frozenset(
    {
        "gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "dcb", "dcz", "exi",
        "pack200-gzip", "bzip2", "x-bzip2", "xz", "lzma",
    }
)  # fmt: skip
"""Codings that compress. Any other name means the bytes as they are.

Source: IANA HTTP Content Coding Registry, and what is used besides.
"""


class Raw(Protocol):
    """An answer as it comes over the wire, urllib3's or http.client's."""

    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def chunked(self) -> bool: ...
    def read(self, amt: int, /, *, decode_content: bool) -> bytes: ...


class _Inflater(Protocol):
    """What zlib's decompression objects have."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    @property
    def unconsumed_tail(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


class ResponseBody:
    """The bytes of one answer. Iterate once; the whole is never in memory.

    Chunks have 64 KiB and more, the last may be shorter. The iteration raises AnswerError unless
    the end is proven: Content-Length met exactly, chunked to its last chunk, or a compressed stream
    to its end marker. `framed` is False when nothing in the answer could prove its end: then a
    second identical read is needed. `length` is the declared number of bytes on the wire, `encoded`
    whether they are compressed: a Content-Encoding that names no compression means the bytes as
    they are. With `named_gzip` (a file whose own name ends in .gz) a Content-Encoding that only
    describes the file itself is not undone.
    """

    def __init__(self, raw: Raw, *, max_bytes: int, what: str, named_gzip: bool = False) -> None:
        self._raw = raw
        self._what = what
        self._max_bytes = max_bytes
        self._named_gzip = named_gzip
        self.content_type = _plain(raw.headers.get("Content-Type", "")) or None
        self._coding = _coding(raw, what)
        self.encoded = self._coding is not None
        self.length = _length(raw, what)
        # A server that names an unknown coding may be wrong about the end as well: then only a
        # length proves it.
        is_odd = self._coding is None and bool(_codings(raw))
        self.framed = self.length is not None or self.encoded or (raw.chunked and not is_odd)
        if self.length is not None and self.length > max_bytes:
            raise OversizedAnswerError(
                f"{what} has {self.length:,} bytes, more than the {max_bytes:,} allowed"
            )

    def __iter__(self) -> Iterator[bytes]:
        pending = bytearray()
        decoded = 0
        for piece in self._decoded():
            decoded += len(piece)
            if decoded > self._max_bytes:
                raise OversizedAnswerError(
                    f"{self._what} has more than the {self._max_bytes:,} bytes allowed"
                )
            if not pending and len(piece) >= _SMALLEST_CHUNK:
                yield piece
                continue
            pending += piece
            if len(pending) >= _SMALLEST_CHUNK:
                yield bytes(pending)
                pending.clear()
        if pending:
            yield bytes(pending)

    def whole(self) -> bytes:
        """Return all of it at once, for answers that are small by their limit."""
        return b"".join(self)

    def _decoded(self) -> Iterator[bytes]:
        if self._coding is None:
            yield from self._wire()
            return
        decoder = _Decoder(self._coding, self._what, named_gzip=self._named_gzip)
        for data in self._wire():
            yield from decoder.feed(data)
        yield from decoder.finish()

    def _wire(self) -> Iterator[bytes]:
        received = 0
        while True:
            try:
                data = self._raw.read(CHUNK_BYTES, decode_content=False)
            except (HTTPError, http.client.HTTPException, OSError, ValueError) as error:
                raise InterruptedAnswerError(f"{self._what} was cut short") from error
            if not data:
                break
            received += len(data)
            yield data
        if self.length is not None and received != self.length:
            raise InterruptedAnswerError(
                f"{self._what} was cut short: {received:,} of {self.length:,} bytes came"
            )


class _Decoder:
    """Undoes gzip or deflate, also of several members in a row.

    It refuses bombs, garbage and streams without an end marker.
    """

    def __init__(self, coding: str, what: str, *, named_gzip: bool) -> None:
        self._coding = coding
        self._what = what
        self._stream: _Inflater | None = None
        self._undecided = named_gzip
        self._held = b""
        self._as_it_is = False
        self._in = 0
        self._out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the next bytes of the wire, decoded."""
        # A Content-Encoding may describe a .gz file itself: only a gzip inside a gzip was encoded
        # for the way.
        if self._undecided:
            self._held += data
            start = _first_bytes(self._held)
            if start is None:
                return
            self._undecided, self._as_it_is = False, not start.startswith(_GZIP_MAGIC)
            data = self._held
        if self._as_it_is:
            yield data
            self._drain(data)
        else:
            yield from self._inflate(data)

    def finish(self) -> Iterator[bytes]:
        """Check, at the end of the wire, that the stream has reached its own end; raise AnswerError
        if not.
        """
        if self._undecided and self._held:
            yield from self._inflate(self._held)
        if self._in and (self._stream is None or not self._stream.eof):
            raise InterruptedAnswerError(
                f"{self._what} is compressed and was cut short before its end marker"
            )

    def _drain(self, data: bytes) -> None:
        for _ in self._inflate(data):
            pass

    def _inflate(self, data: bytes) -> Iterator[bytes]:
        self._in += len(data)
        while data:
            if self._stream is None or self._stream.eof:
                self._stream = self._next_member(data)
            try:
                out = self._stream.decompress(data, CHUNK_BYTES)
            except zlib.error as error:
                raise AnswerError(f"{self._what} says it is {self._coding} and is not") from error
            self._out += len(out)
            # A small answer must not fill the disk.
            if self._out > self._in * _MAX_RATIO + _RATIO_SLACK:
                raise AnswerError(
                    f"{self._what} unpacks to more than {_MAX_RATIO} times its size: refused"
                )
            if out:
                yield out
            data = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail

    def _next_member(self, data: bytes) -> _Inflater:
        if self._coding == "gzip":
            # A gzip stream may have several members in a row (RFC 1952, 2.2).
            if self._stream is not None and not data.startswith(_GZIP_MAGIC[:1]):
                raise AnswerError(f"{self._what} continues after the end of its compressed stream")
            return zlib.decompressobj(16 + zlib.MAX_WBITS)
        if self._stream is not None:
            raise AnswerError(f"{self._what} continues after the end of its compressed stream")
        # Some servers send deflate without the zlib header that RFC 9110 asks for.
        bare = data[0] & 0x0F != 8 or (len(data) > 1 and (data[0] << 8 | data[1]) % 31 != 0)
        return zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS)


def _first_bytes(data: bytes) -> bytes | None:
    """Return the first two bytes inside a gzip stream; None when more of it is needed."""
    try:
        start = zlib.decompressobj(16 + zlib.MAX_WBITS).decompress(data, 2)
    # It is no gzip: let the real decoder report what is wrong.
    except zlib.error:
        return _GZIP_MAGIC
    return start if len(start) == 2 else None


def _codings(raw: Raw) -> list[str]:
    """Return the names in Content-Encoding, without identity."""
    named = raw.headers.get("Content-Encoding", "").lower().split(",")
    return [coding for each in named if (coding := each.strip()) not in {"", "identity"}]


def _coding(raw: Raw, what: str) -> str | None:
    """Return the compression to undo, None for none.

    Uploads bring what their tools put into the header: `aws-chunked` (S3), a charset, `binary`,
    `none`. No registered compression has such a name, so the bytes are as they are, and their
    length proves them.
    """
    real = [coding for coding in _codings(raw) if coding in _REAL_CODINGS]
    if not real:
        return None
    if len(real) == 1 and real[0] in {"gzip", "x-gzip"}:
        return "gzip"
    if real == ["deflate"]:
        return "deflate"
    raise AnswerError(f"{what} is encoded as {', '.join(real)!a:.40}, which was not asked for")


def _length(raw: Raw, what: str) -> int | None:
    transfer = raw.headers.get("Transfer-Encoding", "").strip().lower()
    # No other coding was offered in the request.
    if transfer not in {"", "chunked"}:
        raise AnswerError(
            f"{what} has the Transfer-Encoding {transfer!a:.40}, which was not asked for"
        )
    declared = raw.headers.get("Content-Length")
    if transfer or declared is None:
        return None
    # A repeated header with one and the same value is allowed (RFC 9110, 8.6).
    values = {value.strip() for value in declared.split(",")}
    value = values.pop()
    if values or not (value.isascii() and value.isdigit()):
        raise AnswerError(f"{what} declares the impossible length {declared!a:.40}")
    return int(value)


def _plain(text: str) -> str:
    return "".join(letter for letter in text[:200] if letter.isprintable())
