"""Whose jobs a run is about: the users of the configuration by name, `organization` resolved anew each time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sauce_janitor.retention.model import Owner, owner_name
from sauce_janitor.sauce.people import Organization

ORGANIZATION: Final = "organization"
_FEW: Final = 8


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An owner whose jobs this run could not list, and why: the `jobs` known of him stay, and count nowhere.

    `departed`: he is known from earlier runs alone, and not in the organization any more. Then nothing is amiss.
    """

    owner: Owner
    why: str
    jobs: int
    departed: bool = False

    def row(self) -> dict[str, Any]:
        """As JSON has it."""
        return {"owner": self.owner, "why": self.why, "jobs": self.jobs, "departed": self.departed}

    def __str__(self) -> str:
        who = f"{self.owner}, who is not in the organization any more" if self.departed else self.owner
        return f"{who}: {self.why}; {self.jobs:,} known jobs stay"


@dataclass(frozen=True, slots=True)
class Whose:
    """The owners whose jobs are to be listed, in order, and `how` they were found ("" when they are named).

    `named` are those that the configuration names, `departed` those known from earlier runs alone. `gaps` say why there may be
    more of them.
    """

    owners: tuple[Owner, ...]
    how: str = ""
    named: frozenset[Owner] = frozenset()
    departed: frozenset[Owner] = frozenset()
    gaps: tuple[str, ...] = ()

    def spelled(self, spellings: Mapping[Owner, Owner]) -> Whose:
        """The same users, by the names that Sauce Labs writes."""
        owners, named, departed = (
            [spellings.get(owner, owner) for owner in some] for some in (self.owners, self.named, self.departed)
        )
        return replace(self, owners=tuple(dict.fromkeys(owners)), named=frozenset(named), departed=frozenset(departed))


def whose(users: Iterable[str], mine: Owner, known: Sequence[Owner], ask: Callable[[], Organization] | None) -> Whose:
    """What the configuration's `users` mean now. `mine` is who asks, `known` whose jobs were listed before.

    An organization is whoever `ask` finds, who asks, and whoever was known before: nobody drops out unsaid because an answer
    left him out. Without `ask` (offline) it is who is known. A name that is known in other letters' case is that user: one
    user has one spelling. Raises what `ask` raises.
    """
    spelled = _Spelling(known)
    mine = spelled(mine)
    named = [mine if user == "me" else spelled(owner_name(user)) for user in users if user != ORGANIZATION]
    if ORGANIZATION not in users:
        return Whose(tuple(dict.fromkeys(named)), named=frozenset(named))
    named_too = frozenset([*named, mine])
    if ask is None:
        return Whose(tuple(dict.fromkeys([*named, mine, *known])), "as earlier runs found them", named_too)
    found = ask()
    present = dict.fromkeys([*named, mine, *map(spelled, found.owners)])
    departed = frozenset(known) - set(present) if not found.gaps else frozenset()
    return Whose(tuple(dict.fromkeys([*present, *known])), found.how, named_too, departed, found.gaps)


class _Spelling:
    """How a user's name is written by those who know it already."""

    def __init__(self, known: Iterable[Owner]) -> None:
        self._of = {owner.casefold(): owner for owner in known}
        self._known = frozenset(self._of.values())

    def __call__(self, owner: Owner) -> Owner:
        return owner if owner in self._known else self._of.get(owner.casefold(), owner)


def words(found: Whose) -> str:
    """Whose jobs, as one sentence; "" for a single user, who is named elsewhere."""
    if len(found.owners) < 2 and not found.how:
        return ""
    named = ", ".join(found.owners[:_FEW])
    more = f" and {len(found.owners) - _FEW:,} more" if len(found.owners) > _FEW else ""
    return f"Jobs of {named}{more}" + (f": the organization, {found.how}" if found.how else "")


def missing(found: Whose, left_out: Iterable[LeftOut]) -> tuple[str, ...]:
    """Who may be missing, and who is left out, as one sentence each."""
    gaps = (f"Not everybody may be among them: {gap}" for gap in found.gaps)
    return (*gaps, *(f"Left out: {left}" for left in left_out))
