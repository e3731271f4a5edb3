"""Faults of transport: late, slow, cut, unframed, padded or wrongly dated answers."""

from __future__ import annotations

import gzip
from dataclasses import replace

from sauce_janitor.sandbox.core.messages import SandboxAnswer
from sauce_janitor.sandbox.faults.decorators import NUMBER, FaultContext, after


@after(seconds=NUMBER)
def delay(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send the answer late (default 1 s)."""
    return replace(answer, wire=replace(answer.wire, wait_s=context.number("seconds", 1)))


@after(seconds=NUMBER)
def stall(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send the headers, wait (default 60 s), then send the body."""
    return replace(answer, wire=replace(answer.wire, stall_s=context.number("seconds", 60)))


@after(bytes_per_second=NUMBER)
def drip(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send the body slowly (default 10 bytes a second)."""
    rate = max(0.01, context.number("bytes_per_second", 10))
    return replace(answer, wire=replace(answer.wire, bytes_per_second=rate))


@after(share=NUMBER)
def truncated(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send only a share of the body (default: half) after a Content-Length for all of it."""
    # Not compressed: the length alone must show the cut, and not a gzip stream without its end.
    wire = replace(answer.wire, framing="length", keep_framed=context.number("share", 0.5))
    return replace(answer, compress=False, wire=wire)


@after(share=NUMBER)
def truncated_chunks(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send a chunked body that ends too early."""
    return replace(
        answer,
        wire=replace(answer.wire, framing="chunked", keep_framed=context.number("share", 0.5)),
    )


@after(share=NUMBER)
def short_gzip(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send a gzip stream without its end, in correct framing."""
    # Compressed whatever the client accepts and the file is: only gzip's own check shows the cut.
    wire = replace(answer.wire, keep_encoded=context.number("share", 0.5))
    return replace(answer, compress=True, wire=wire)


@after(share=NUMBER)
def short_unframed(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send part of a body without length or chunks: the closed connection looks like its end."""
    wire = replace(answer.wire, framing="close", keep_framed=context.number("share", 0.5))
    return replace(answer, compress=False, wire=wire)


@after()
def unframed(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send a complete body without length or chunks: it ends with the connection."""
    return replace(answer, compress=False, wire=replace(answer.wire, framing="close"))


@after(megabytes=NUMBER)
def endless(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Repeat the body in chunks, up to `megabytes` (default 1,000)."""
    length = int(context.number("megabytes", 1000) * (1 << 20))
    return replace(
        answer, compress=False, wire=replace(answer.wire, framing="chunked", repeat_to=length)
    )


@after(megabytes=NUMBER)
def gzip_bomb(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Send a small body that unpacks to `megabytes` (default 200)."""
    # Zeros compress a thousandfold. The body is compressed here, so the server must not do it
    # again.
    packed = gzip.compress(bytes(int(context.number("megabytes", 200) * (1 << 20))), 9, mtime=0)
    return replace(
        answer, body=packed, compress=False, headers={**answer.headers, "Content-Encoding": "gzip"}
    )


@after(coding=str)
def void_coding(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Set a Content-Encoding that is no compression (default `aws-chunked`) for unchanged bytes."""
    headers = {**answer.headers, "Content-Encoding": context.text("coding", "aws-chunked")}
    return replace(answer, compress=False, headers=headers)


@after(kilobytes=NUMBER)
def big_header(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Add a header of `kilobytes` (default 200)."""
    padding = "x" * int(context.number("kilobytes", 200) * 1024)
    return replace(answer, headers={**answer.headers, "X-Padding": padding})


@after(seconds=NUMBER)
def clock_skew(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Shift the Date header by `seconds` (default 3600)."""
    return replace(answer, wire=replace(answer.wire, date_shift_s=context.number("seconds", 3600)))
