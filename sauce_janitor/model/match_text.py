"""Matches and keep rules in words, as messages quote them."""

from __future__ import annotations

from typing import Final, assert_never

from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.policies import (
    AllOf,
    AnyOf,
    Atom,
    Comparison,
    Glob,
    KeepRule,
    Literally,
    Match,
    Not,
    Pattern,
    Regex,
)

_LONGEST: Final = 80
_WORDS: Final = {None: "null", True: "true", False: "false"}


def phrase(match: Match, longest: int = _LONGEST) -> str:
    """Return the match in one line, such as `build: nightly-*` or `not tags: pii`; one of more
    than `longest` characters is cut.
    """
    text = _text_of(match)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _text_of(match: Match) -> str:
    match match:
        case Atom():
            patterns = ", ".join(pattern_text(pattern) for pattern in match.patterns)
            texts = patterns if len(match.patterns) == 1 else f"[{patterns}]"
            return f"{match.field}: {texts}"
        case Not():
            return f"not {_bracketed(match.part)}"
        case AllOf():
            return " and ".join(_bracketed(part) for part in match.parts) or "all"
        case AnyOf():
            return " or ".join(_bracketed(part) for part in match.parts)
        case _:
            assert_never(match)


def _bracketed(match: Match) -> str:
    text = _text_of(match)
    # Brackets where the reading would not be clear without: `not (a and b)`.
    return f"({text})" if isinstance(match, AllOf | AnyOf) and len(match.parts) > 1 else text


def pattern_text(pattern: Pattern) -> str:
    """Return one pattern as the configuration writes it."""
    match pattern:
        case Glob():
            return pattern.pattern
        case Regex():
            return f"{{regex: {pattern.pattern}}}"
        case Literally():
            return _WORDS[pattern.value]
        case Comparison():
            return "{" + ", ".join(f"{word}: {bound:g}" for word, bound in pattern.bounds) + "}"
        case _:
            assert_never(pattern)


def keep_phrase(rule: KeepRule) -> str:
    """Return a keep rule in one line, such as `last 3 where status: passed` or `daily 14, pick
    failed, newest`.
    """
    match rule.kind:
        case "since_last":
            assert rule.since is not None
            text = f"since_last {phrase(rule.since)}"
        case "within" | "within_of_newest":
            assert rule.duration is not None
            text = f"{rule.kind} {rule.duration.text}"
        case "last" | CalendarPeriod():
            text = f"{rule.kind} {rule.count}"
        case _:
            assert_never(rule.kind)
    text += f", pick {', '.join(rule.pick)}" if rule.pick != ("newest",) else ""
    text += ", nonempty" if rule.nonempty else ""
    return text + (f" where {phrase(rule.where)}" if rule.where is not None else "")
