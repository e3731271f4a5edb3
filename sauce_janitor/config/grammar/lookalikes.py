"""Finds globs that look like patterns of another language, such as a regular expression.

As a glob such a text would match nothing, or other jobs than intended. A hold that matches nothing
protects nothing, and under `not` it would match everything. So it is refused, and the message has
the right spelling. `{glob: TEXT, literal: true}` means the text exactly as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, TypeAlias

from sauce_janitor.config.source.problems import shown
from sauce_janitor.model.globs import class_end, with_literal_braces

Kind: TypeAlias = Literal["text", "prose", "file", "tag"]

_ANCHORED: Final = re.compile(r"^\^|\$$")
_REGEX: Final = re.compile(
    r"^\.[*+]|[A-Za-z)]\.\*(?=.)|\.\+"  # any text; `v1.*` and `*.Test.*` are globs
    r"|^[a-z_-]+\.\*$"  # `smoke.*`; `LoginTest.*` may be a class
    r"|\(\?|\\[.dDwWsSbB()|+^$-]"  # groups and escapes
)
_CLASS_RANGE: Final = re.compile(r"(.)-(.)", re.DOTALL)
_FEW_LETTERS: Final = 3


AS_IT_STANDS: Final = "`{glob: …, literal: true}`"


def check_meaning(text: str, *, kind: Kind = "text", otherwise: str = AS_IT_STANDS) -> None:
    """Raise ValueError, with the right spelling, for a glob that looks like another language.

    `kind` is what the glob matches: file names have dots, prose has commas and percent signs.
    `otherwise` is how to write that the text is meant exactly as it is.
    """
    odd = oddity(text, kind=kind)
    if odd is not None:
        what, right = odd
        raise ValueError(
            f"{shown(text)} {what}: write {right}, or {otherwise} to mean exactly this text"
        )


def oddity(text: str, *, kind: Kind = "text") -> tuple[str, str] | None:
    """Return what looks like another language, and the right spelling; None if nothing does."""
    pieces = list(_parts(text))
    outside = "".join("?" if is_class else part for is_class, part in pieces)
    # In many tools `!x` means all but x; as a glob it matches only texts that begin with `!`.
    if text.startswith("!"):
        return (
            "begins with `!`, which does not negate",
            f"`not: {{FIELD: {text[1:].strip() or 'x'}}}`",
        )
    # Shells and gitignore escape with a backslash, fnmatch with brackets.
    if re.search(r"\\[*?\[\]{}]", text):
        return "has a backslash, which is not an escape", "`[*]` for the character itself"
    if (
        _ANCHORED.search(outside)
        or _is_delimited(text)
        # File names have dots before wildcards, as in `report.*`.
        or (kind != "file" and _REGEX.search(outside))
    ):
        return (
            "looks like a regular expression",
            f"`{{regex: '{_as_regex(text)}'}}`, or a glob such as `x*`",
        )
    # As in a shell: `{1..3}` is 1, 2 and 3 there.
    if re.search(r"\{[^{},]*\.\.[^{},]*\}", outside):
        return (
            "has a range in braces, which has no meaning",
            "a class such as `[1-3]`, or `{1,2,3}`",
        )
    # Without its counterpart a brace is literal text, so this lists no alternatives.
    if "," in outside and outside.count("{") != outside.count("}"):
        return (
            "has a brace without its counterpart",
            "`{a,b}` for alternatives, or `[{]` for the character itself",
        )
    word = next((part for is_class, part in pieces if is_class and _is_word(text, part)), None)
    # A hold by tag also takes the tag literally, so `[keep]` protects as it stands.
    if word is not None and kind != "tag":
        right = text.replace(word, f"[[]{word[1:]}", 1)
        return (
            f"has {shown(word)}, which matches any one of these characters",
            f"`{right}` for the text itself",
        )
    return None if kind == "prose" else _separator(text, outside)


def _separator(text: str, outside: str) -> tuple[str, str] | None:
    if "|" in outside:
        regex = f"`{{regex: '{_as_regex(text)}'}}`"
        right = regex if "(" in text else f"`[{_listed(text, '|')}]`"
        return "has a `|`, which does not separate alternatives", right
    if len(_split(outside, ",")) > 1:
        return "has a comma, which does not make a list", f"`[{_listed(text, ',')}]`"
    if "%" in outside:
        return "has a `%`, which is not a wildcard", f"`{text.replace('%', '*')}`"
    return None


def _is_word(text: str, part: str) -> bool:
    """Return whether a class such as `[smoke]` is probably meant as a word in brackets.

    As a class it matches any one of its letters.
    """
    inside = part[1:-1]
    if inside[:1] in {"!", "^"}:
        return False
    # A range such as `t-e` is empty, so the brackets can hardly be meant as a class.
    if any(first > last for first, last in _CLASS_RANGE.findall(inside)):
        return True
    listed = _CLASS_RANGE.sub("", inside)
    letters = [char for char in listed if char.isalpha()]
    # One letter is no word: `[a]`, `[0-9]`.
    if len(letters) < 2:
        return False
    before, _, after = text.partition(part)
    stands_alone = (before in {"", "*"} or before.endswith(" ")) and after[:1] == " "
    is_twice = len(set(listed)) < len(listed)
    is_spelled = len(letters) > _FEW_LETTERS and letters != sorted(letters)
    return is_twice or is_spelled or stands_alone or text == part


def _parts(text: str) -> Iterator[tuple[bool, str]]:
    """Yield the pieces of the text, each with whether it is a class such as `[a-z]`."""
    at = 0
    while at < len(text):
        end = class_end(text, at) if text[at] == "[" else -1
        until = at + 1 if end < 0 else end + 1
        yield end >= 0, text[at:until]
        at = until


def _is_delimited(text: str) -> bool:
    return len(text) > 2 and text.startswith("/") and text.endswith("/")


def _as_regex(text: str) -> str:
    """Return the regular expression that the text looks like, for a full match."""
    # `/x/` in JavaScript and Perl finds x anywhere in the text.
    if _is_delimited(text):
        return f".*{text[1:-1]}.*"
    body = text.removeprefix("^").removesuffix("$")
    begins, ends = text.startswith("^"), text.endswith("$")
    # With one anchor, the other side is open; here a pattern always matches the whole text.
    if begins and not ends and not body.endswith((".*", ".+")):
        return f"{body}.*"
    if ends and not begins and not body.startswith((".*", ".+")):
        return f".*{body}"
    return body


def _listed(text: str, separator: str) -> str:
    return ", ".join(part.strip() for part in _split(text, separator) if part.strip())


def _split(text: str, separator: str) -> list[str]:
    """Return the text split at each separator outside of braces."""
    parts, depth = [""], 0
    for char in text:
        depth += (char == "{") - (char == "}")
        if char == separator and depth <= 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


def literal(text: str) -> str:
    """Return the glob for `{glob: TEXT, literal: true}`: only `*`, `?` and `[…]` are special."""
    return with_literal_braces(text)
