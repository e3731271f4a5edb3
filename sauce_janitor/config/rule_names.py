"""The names of rules that have none in the file: made from the content of the rule."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sauce_janitor.config.grammar.keep import KeepRuleTerm
from sauce_janitor.config.grammar.matches import Conditions
from sauce_janitor.config.grammar.policies import HoldTerm
from sauce_janitor.model import policies
from sauce_janitor.model.calendar_periods import CalendarPeriod
from sauce_janitor.model.policies import Duration, Glob


def kind_of_rule(term: KeepRuleTerm) -> policies.KeepKind:
    """Return the one kind that a keep rule has."""
    return next(kind for kind in policies.KEEP_KINDS if getattr(term, kind) is not None)


def keep_id(term: KeepRuleTerm) -> str:
    """Return the name of a keep rule without an id: its content, such as `last 20`."""
    kind = kind_of_rule(term)
    value = getattr(term, kind)
    text = ""
    if isinstance(value, Duration):
        text = value.text
    elif isinstance(value, int):
        text = str(value)
    restricted = "" if term.where is None else f" where {_summary(term.where)}"
    picked = f" {term.pick[0]}" if isinstance(kind, CalendarPeriod) and term.pick else ""
    return f"{kind} {text}".strip() + picked + restricted


def _summary(term: Conditions | str) -> str:
    """Return conditions on one field as text, and `…` for all others."""
    if isinstance(term, str):
        return term
    patterns = {
        name: getattr(term, name) for name in policies.FIELDS if name in term.model_fields_set
    }
    # A rule's name must stay short in plans and metrics, so conditions on several fields are not
    # spelled out.
    if term.model_fields_set != patterns.keys() or len(patterns) != 1:
        return "…"
    ((name, alternatives),) = patterns.items()
    texts = [pattern.pattern for pattern in alternatives or () if isinstance(pattern, Glob)]
    return f"{name} {'|'.join(texts)}" if len(texts) == len(alternatives or ()) else "…"


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names, with a number after each repetition."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} #{seen[name]}")
    return numbered


def keep_names(terms: list[KeepRuleTerm]) -> list[str]:
    """Return the names of the rules of one list."""
    return distinct(term.id or keep_id(term) for term in terms)


def hold_name(term: HoldTerm) -> str | None:
    """Return the name of a hold; None for one that has only a match."""
    if term.id:
        return term.id
    if term.tag is not None:
        return f"tag {term.tag}"
    if term.tag_prefix is not None:
        return f"tag {term.tag_prefix}…"
    return f"hold {term.reason}" if term.reason else None
