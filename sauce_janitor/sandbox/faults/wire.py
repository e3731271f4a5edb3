"""Faults on the way: late, slow, cut, unframed, padded, dated wrongly."""

from __future__ import annotations

import gzip
from dataclasses import replace

from sauce_janitor.sandbox.core.messages import SandboxAnswer
from sauce_janitor.sandbox.faults.fault import NUMBER, FaultContext, after


@after(seconds=NUMBER)
def delay(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The answer comes late (default 1 s)."""
    return replace(answer, wire=replace(answer.wire, wait_s=scene.number("seconds", 1)))


@after(seconds=NUMBER)
def stall(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Headers, then silence (default 60 s), then the body."""
    return replace(answer, wire=replace(answer.wire, stall_s=scene.number("seconds", 60)))


@after(bytes_per_second=NUMBER)
def drip(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The body comes a few bytes at a time (default 10 a second)."""
    rate = max(0.01, scene.number("bytes_per_second", 10))
    return replace(answer, wire=replace(answer.wire, bytes_per_second=rate))


@after(share=NUMBER)
def truncated(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Content-Length promises all, only a share (default half) comes."""
    wire = replace(answer.wire, framing="length", keep_framed=scene.number("share", 0.5))
    return replace(answer, compress=False, wire=wire)


@after(share=NUMBER)
def truncated_chunks(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """A chunked body that breaks off before its end."""
    return replace(
        answer, wire=replace(answer.wire, framing="chunked", keep_framed=scene.number("share", 0.5))
    )


@after(share=NUMBER)
def short_gzip(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Honest framing around a gzip stream that lacks its end."""
    wire = replace(answer.wire, keep_encoded=scene.number("share", 0.5))
    return replace(answer, compress=True, wire=wire)


@after(share=NUMBER)
def short_unframed(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Neither length nor chunks, and the connection closes too early: it looks complete."""
    wire = replace(answer.wire, framing="close", keep_framed=scene.number("share", 0.5))
    return replace(answer, compress=False, wire=wire)


@after()
def unframed(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Neither length nor chunks, the connection's end is the body's end; complete."""
    return replace(answer, compress=False, wire=replace(answer.wire, framing="close"))


@after(megabytes=NUMBER)
def endless(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The body is repeated, chunked, up to so many megabytes (default 1,000)."""
    length = int(scene.number("megabytes", 1000) * (1 << 20))
    return replace(
        answer, compress=False, wire=replace(answer.wire, framing="chunked", repeat_to=length)
    )


@after(megabytes=NUMBER)
def gzip_bomb(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """A small body that unpacks to many megabytes (default 200)."""
    packed = gzip.compress(bytes(int(scene.number("megabytes", 200) * (1 << 20))), 9, mtime=0)
    return replace(
        answer, body=packed, compress=False, headers={**answer.headers, "Content-Encoding": "gzip"}
    )


@after(coding=str)
def void_coding(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Content-Encoding names what is no compression (default `aws-chunked`), and the bytes are as
    they are.
    """
    headers = {**answer.headers, "Content-Encoding": scene.text("coding", "aws-chunked")}
    return replace(answer, compress=False, headers=headers)


@after(kilobytes=NUMBER)
def big_header(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """One header of many kilobytes (default 200)."""
    padding = "x" * int(scene.number("kilobytes", 200) * 1024)
    return replace(answer, headers={**answer.headers, "X-Padding": padding})


@after(seconds=NUMBER)
def clock_skew(scene: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """The Date header is wrong by so many seconds (default 3600)."""
    return replace(answer, wire=replace(answer.wire, date_shift_s=scene.number("seconds", 3600)))
