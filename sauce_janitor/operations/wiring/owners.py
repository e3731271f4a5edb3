"""Whose jobs a run is about: users by name, and `organization` and teams, which are resolved in
each run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sauce_janitor.config import Account
from sauce_janitor.counts import counted
from sauce_janitor.model.jobs import Owner, owner_name
from sauce_janitor.state import State

if TYPE_CHECKING:  # reading the state loads no HTTP client
    from sauce_janitor.sauce.people import Organization, People

ORGANIZATION: Final = "organization"
_FEW: Final = 8
_EARLIER: Final = "as earlier runs found them"


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An owner whose jobs this run could not list, and why: their known `jobs` stay and count
    nowhere.

    `departed`: the owner is known from earlier runs only and has left the organization or the teams
    (`of`). Then nothing is wrong.
    """

    owner: Owner
    why: str
    jobs: int
    departed: bool = False
    of: str = "organization"

    def row(self) -> dict[str, Any]:
        """Return it as in JSON."""
        return {"owner": self.owner, "why": self.why, "jobs": self.jobs, "departed": self.departed}

    def __str__(self) -> str:
        who = f"{self.owner}, who is not in the {self.of} any more" if self.departed else self.owner
        stay = "stays" if self.jobs == 1 else "stay"
        return f"{who}: {self.why}; {counted(self.jobs, 'known job')} {stay}"


@dataclass(frozen=True, slots=True)
class Owners:
    """The owners whose jobs are listed, in order, and `how` they were found ("" when they are
    named).

    `named` are those that the configuration names, `departed` those known from earlier runs only.
    `gaps` says why there may be more. `group` is what they belong to, and `gone` are the users who
    have left it: their jobs leave the plan.
    """

    owners: tuple[Owner, ...]
    how: str = ""
    named: frozenset[Owner] = frozenset()
    departed: frozenset[Owner] = frozenset()
    gaps: tuple[str, ...] = ()
    group: str = "organization"
    gone: frozenset[Owner] = frozenset()

    def spelled(self, spellings: Mapping[Owner, Owner]) -> Owners:
        """Return the same users, by the names that Sauce Labs writes."""
        owners, named, departed = (
            [spellings.get(owner, owner) for owner in some]
            for some in (self.owners, self.named, self.departed)
        )
        return replace(
            self,
            owners=tuple(dict.fromkeys(owners)),
            named=frozenset(named),
            departed=frozenset(departed),
        )


def resolve_owners(
    users: Iterable[str],
    mine: Owner,
    known: Sequence[Owner],
    ask: Callable[[], Organization] | None,
    *,
    teams: Sequence[str] = (),
) -> Owners:
    """Return whom the configuration's `users` and `teams` mean now. `mine` is the account's user;
    the jobs of `known` were listed before.

    An organization is whoever `ask` finds, the account's user, and whoever was known before: nobody
    drops out silently because an answer omits them. A team is exactly whoever `ask` finds: a user
    who has left it is `gone`. Without `ask` (offline) it is whoever is known. A name known in a
    different case is the same user, with one spelling. Raises what `ask` raises.
    """
    spelled = _Spelling(known)
    mine = spelled(mine)
    users = tuple(users)
    named = [
        mine if user == "me" else spelled(owner_name(user))
        for user in users
        if user != ORGANIZATION
    ]
    if ORGANIZATION in users:
        return _organization([*named, mine], known, spelled, ask)
    # Users by name alone: nobody has to be asked.
    if not teams:
        return Owners(tuple(dict.fromkeys(named)), named=frozenset(named))
    group = f"team {teams[0]}" if len(teams) == 1 else f"teams {', '.join(teams)}"
    if ask is None:
        return Owners(
            tuple(dict.fromkeys([*named, *known])), _EARLIER, frozenset(named), group=group
        )
    found = ask()
    present = dict.fromkeys([*named, *map(spelled, found.owners)])
    # An incomplete answer does not prove that anybody has left. The jobs of users who were not
    # found stay and are not listed.
    gone = frozenset[Owner]() if found.gaps else frozenset(known) - set(present)
    return Owners(
        tuple(present), found.how, frozenset(named), gaps=found.gaps, group=group, gone=gone
    )


def _organization(
    named: list[Owner],
    known: Sequence[Owner],
    spelled: _Spelling,
    ask: Callable[[], Organization] | None,
) -> Owners:
    named_too = frozenset(named)
    if ask is None:
        return Owners(tuple(dict.fromkeys([*named, *known])), _EARLIER, named_too)
    found = ask()
    # Who has left is still listed while Sauce Labs shows their jobs: nobody drops out silently.
    present = dict.fromkeys([*named, *map(spelled, found.owners)])
    departed = frozenset(known) - set(present) if not found.gaps else frozenset()
    return Owners(
        tuple(dict.fromkeys([*present, *known])), found.how, named_too, departed, found.gaps
    )


def asked_of(account: Account, people: People, *, now: int) -> Organization:
    """Ask who is in the account's organization, or else in its teams. `now` is epoch seconds.
    Raises what `People` raises.
    """
    return (
        people.organization(now=now)
        if ORGANIZATION in account.users
        else people.teams(account.teams)
    )


def known_owners(state: State, account: Account) -> tuple[Owner, ...]:
    """Return whose jobs were listed before; with teams, who was in them when they were last asked
    for.
    """
    listed = state.jobs.owners(account.name)
    note = (
        state.notes.read(_note(account.name))
        if account.teams and ORGANIZATION not in account.users
        else None
    )
    if note is None:
        return listed
    members = frozenset(json.loads(note))
    return tuple(owner for owner in listed if owner in members)


def remember(state: State, account: Account, found: Owners) -> None:
    """Record who is in the account's teams, for commands that ask nobody."""
    # Members of a team may leave it, so the last answer counts; others are known by their jobs.
    if account.teams:
        state.notes.write(_note(account.name), json.dumps(sorted(found.owners)))


def _note(account: str) -> str:
    return f"members {account}"


class _Spelling:
    """The spelling of each user name that is already known."""

    def __init__(self, known: Iterable[Owner]) -> None:
        self._of = {owner.casefold(): owner for owner in known}
        self._known = frozenset(self._of.values())

    def __call__(self, owner: Owner) -> Owner:
        return owner if owner in self._known else self._of.get(owner.casefold(), owner)


def words(found: Owners) -> str:
    """Return whose jobs, as one sentence; "" for a single user, who is named elsewhere."""
    if len(found.owners) < 2 and not found.how:
        return ""
    named = ", ".join(found.owners[:_FEW])
    more = f" and {len(found.owners) - _FEW:,} more" if len(found.owners) > _FEW else ""
    return f"Jobs of {named}{more}" + (f": the {found.group}, {found.how}" if found.how else "")


def missing(found: Owners, left_out: Iterable[LeftOut]) -> tuple[str, ...]:
    """Return who may be missing and who is left out, as one sentence each."""
    gaps = (f"Users may be missing: {gap}" for gap in found.gaps)
    return (*gaps, *(f"Left out: {left}" for left in left_out))
