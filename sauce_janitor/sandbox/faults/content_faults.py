"""Faults of content: lists and documents that are wrong in ways that a client might believe."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from itertools import chain

from sauce_janitor.sandbox.core.messages import SandboxAnswer, SandboxRequest
from sauce_janitor.sandbox.faults.decorators import NUMBER, FaultContext, after, alter
from sauce_janitor.sandbox.faults.rows import with_rows


@alter()
def same_page(context: FaultContext) -> SandboxRequest:
    """Ignore `skip` and `offset`: every page is the first."""
    query = {
        key: value for key, value in context.request.query.items() if key not in {"skip", "offset"}
    }
    return replace(context.request, query=query)


@alter()
def short_rows(context: FaultContext) -> SandboxRequest:
    """Ignore `full`: rows are short, as the behaviour `default_row` says."""
    query = {key: value for key, value in context.request.query.items() if key != "full"}
    return replace(context.request, query=query)


@alter(limit=int)
def capped_page(context: FaultContext) -> SandboxRequest:
    """Return at most `limit` rows a page (default 50), whatever was requested."""
    asked = context.request.one("limit") or ""
    limit = int(context.number("limit", 50))
    wanted = min(limit, int(asked)) if asked.isdecimal() else limit
    return replace(context.request, query={**context.request.query, "limit": (str(wanted),)})


@after(at=int)
def flipped_byte(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Change one byte of the body (default: the middle one). The length stays right."""
    if not answer.body:
        return answer
    # Modulo the length, so that a fixed place hits every body.
    place = int(context.number("at", len(answer.body) // 2)) % len(answer.body)
    changed = bytes((answer.body[place] ^ 0xFF,))
    return replace(answer, body=answer.body[:place] + changed + answer.body[place + 1 :])


@after(share=NUMBER)
def cut_at_source(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return only the first share of the body (default: half), with the right length for it.

    The file was cut before it came here.
    """
    kept = answer.body[: int(len(answer.body) * context.number("share", 0.5))]
    # Not compressed, so that a Content-Length shows the short length as if it were right.
    return replace(answer, body=kept, compress=False)


@after(text=str)
def other_kind(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return `text` (default: a JPEG picture), which is of another kind than the name says."""
    # Latin-1 maps each character to the byte of the same number, so YAML can describe any bytes.
    text = context.text("text", "\xff\xd8\xff\xe0 a picture")
    return replace(answer, body=text.encode("latin-1", "replace"), compress=False)


@after()
def other_pictures(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return a zip file whose entries differ from the single files by one more byte each.

    Other bodies stay as they are.
    """
    # `PK` begins every zip file. Its entry names stay the same, only the pictures differ.
    if not answer.body.startswith(b"PK"):
        return answer
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(answer.body)) as before, zipfile.ZipFile(target, "w") as packed:
        for entry in before.infolist():
            packed.writestr(zipfile.ZipInfo(entry.filename), before.read(entry) + b"\0")
    return replace(answer, body=target.getvalue())


@after(text=str)
def trailing_garbage(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Append something after the end of the document."""
    return replace(answer, body=answer.body + context.text("text", "]}<!-- -->").encode())


@after(depth=int)
def deep_json(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return nested brackets, by default 20,000 deep."""
    depth = int(context.number("depth", 20_000))
    return replace(answer, body=b"[" * depth + b"]" * depth)


@after()
def not_a_list(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return an object with an error instead of a list, with status 200."""
    return replace(answer, body=json.dumps({"errors": "Something went wrong"}).encode())


@after()
def empty_list(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return a list without rows."""
    return with_rows(answer, lambda _rows: [])


@after(share=NUMBER)
def short_page(context: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return only the first share of a page's rows (default: half)."""
    return with_rows(answer, lambda rows: rows[: int(len(rows) * context.number("share", 0.5))])


@after()
def duplicate_rows(_: FaultContext, answer: SandboxAnswer) -> SandboxAnswer:
    """Return every row twice."""
    return with_rows(answer, lambda rows: list(chain.from_iterable(zip(rows, rows, strict=True))))
