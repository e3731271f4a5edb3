"""Splits the text of one list answer into its rows, so that a bad row spoils only itself. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from sauce_janitor.errors import AnswerError
from sauce_janitor.sauce.http.answers import load_json

_LIST_KEY: Final = b'"jobs"'
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\\\[\]{},:]', re.DOTALL)
_ID_VALUE = re.compile(rb'\s*:\s*"([0-9a-f]{32})"')


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no JSON: why, and its job's id where that can be read ("" where not)."""

    why: str
    id: str


def load_rows(
    data: bytes, *, what: str, content_type: str = "", secrets: Iterable[str] = ()
) -> object:
    """Parse a job list as `load_json` does; where that fails, each row that is no JSON becomes a
    `BadRow`.

    Raises AnswerError where the text around the rows is no JSON either, as the end of a row is then
    unknown.
    """
    secrets = tuple(secrets)
    try:
        return load_json(data, what=what, content_type=content_type, secrets=secrets)
    except AnswerError as whole:
        cut = _cut(data)
        # There is no list to cut into rows, so the error is about the whole answer.
        if cut is None:
            raise
        start, end, texts = cut
        # Without its rows, the rest must be valid JSON: that of a body cut short or padded is not.
        try:
            frame = load_json(
                data[:start] + data[end:], what=what, content_type=content_type, secrets=secrets
            )
        except AnswerError:
            raise whole from None
        rows = [_row(text, what, secrets) for text in texts]
        return {**frame, "jobs": rows} if isinstance(frame, dict) else rows


def _row(text: bytes, what: str, secrets: tuple[str, ...]) -> object:
    try:
        return load_json(text, what=f"a row of {what}", secrets=secrets)
    except AnswerError as error:
        return BadRow(str(error), _id_in(text))


def _cut(data: bytes) -> tuple[int, int, list[bytes]] | None:
    """Return where the list's rows begin and end, and their texts.

    None where no list is found, or where it does not end.
    """
    depth, inside, start, begins = 0, 0, -1, 0
    key_ends = -1
    texts: list[bytes] = []
    for place, token in _tokens(data):
        match token:
            # A text without an end or a beginning: where a row ends is unknown.
            case b'"' | b"\\":
                return None
            case b"[" | b"{":
                depth += 1
                wanted = token == b"[" and (depth == 1 or (depth == 2 and key_ends >= 0))
                if not inside and wanted:
                    inside, start, begins = depth, place + 1, place + 1
                elif depth == 2:
                    key_ends = -1
            case b"]" | b"}":
                if depth == inside and token == b"]":
                    last = data[begins:place]
                    if last.strip() or texts:
                        texts.append(last)
                    return start, place, texts
                depth -= 1
            case b"," if inside and depth == inside:
                texts.append(data[begins:place])
                begins = place + 1
            case _ if not inside and depth == 1 and token == _LIST_KEY:
                key_ends = place
            case b",":
                key_ends = -1
    return None


def _tokens(data: bytes) -> Iterator[tuple[int, bytes]]:
    for found in _TOKEN.finditer(data):
        yield found.start(), found[0]


def _id_in(text: bytes) -> str:
    """Return the job id at the top of a row, "" unless it names exactly one."""
    depth = 0
    found: set[bytes] = set()
    for place, token in _tokens(text):
        if token in {b"{", b"["}:
            depth += 1
        elif token in {b"}", b"]"}:
            depth -= 1
        elif (
            depth == 1 and token == b'"id"' and (value := _ID_VALUE.match(text, place + len(token)))
        ):
            found.add(value[1])
    return found.pop().decode("ascii") if len(found) == 1 else ""
