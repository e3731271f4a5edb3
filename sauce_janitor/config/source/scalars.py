"""The meaning of a plain (unquoted) YAML scalar: only what all YAML readers agree on is accepted.

YAML 1.1 (PyYAML and most Python programs) and YAML 1.2 (editors, Go, JavaScript) read the same
characters differently: `no` is false or text, `010` is 8 or 10, `12:30` is 750 or text. A retention
rule must not depend on the reader, so:

- `true false null` (also capitalized), `~`, whole numbers and decimals such as `25` and `2.5` have
  their usual meaning.
- `yes no on off`, `010 0x1F 0b1 0o17`, `1_000`, `12:30`, `1e3`, `.5`, `5.`, `.inf`, `.nan` are
  refused: they must be quoted.
- Dates such as `2027-01-31` are text, and so are `y` and `n`, which hardly any reader takes for a
  boolean.
- Keys are always text.
- No value at all (`build:`) is refused, because null has a meaning in `match`.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Scalar: TypeAlias = str | int | float | bool | None

_WORDS: Final[dict[str, bool | None]] = {
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None,
}  # fmt: skip
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\.[0-9]+")
_MOST_DIGITS = 15
"""A double holds every whole number of 15 digits exactly, so no reader rounds it."""

_MAYBE_NUMBER = "is a number to some YAML readers and text to others"
_TWISTED: Final = (
    (
        re.compile(r"yes|no|on|off", re.IGNORECASE),
        "is true or false to some YAML readers and text to others",
        ", or write true or false",
    ),
    (
        re.compile(r"[-+]?(?:0[0-9_]+|0[xX][0-9a-fA-F_]+|0b[01_]+|0o[0-7_]+)"),
        "is a different number to different YAML readers",
        ", or write a decimal number",
    ),
    (
        re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"),
        f"{_MAYBE_NUMBER} (base 60)",
        "",
    ),
    (
        re.compile(r"[-+]?(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9_]+)(?:[eE][-+]?[0-9]+)?"),
        _MAYBE_NUMBER,
        ", or write a plain number such as 1000 or 0.5",
    ),
    (re.compile(r"[-+]?\.inf|\.nan", re.IGNORECASE), _MAYBE_NUMBER, ", or write a plain number"),
)


def plain_scalar(text: str) -> Scalar:
    """Return the value of an unquoted scalar.

    Raise ValueError, with a sentence on how to fix it, if YAML readers disagree on it.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text == "":
        raise ValueError("has no value: write one, write null if you mean it, or remove the key")
    # Most scalars are plain text, which needs no further checks: all words that readers disagree
    # on (yes, no, on, off) have at most 3 letters.
    if (text[0] not in "+-." and not text[0].isdigit()) and len(text) > 3:
        return text
    if _WHOLE.fullmatch(text) or _DECIMAL.fullmatch(text):
        if len(text) > _MOST_DIGITS:
            raise ValueError(
                f"{text[:30]}… is too long for a number: put it in quotes if it is text"
            )
        return float(text) if "." in text else int(text)
    for twisted, why, instead in _TWISTED:
        if twisted.fullmatch(text):
            raise ValueError(
                f'`{text[:30]}` {why}: put it in quotes if it is text ("{text[:30]}"){instead}'
            )
    return text
