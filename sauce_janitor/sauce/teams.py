"""Finds the team that a configuration names, among those that team management lists.

Source: Accounts API Methods, Lookup Teams: an object with `results`, each with an `id` and a
`name`. Its `name` parameter is a prefix match and not used, so that the answer to a mistyped name
can show which teams there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from sauce_janitor.errors import AnswerError, ConfigError

_TEAM_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
_FEW: Final = 3


@dataclass(frozen=True, slots=True)
class Team:
    """A team of the organization."""

    id: str
    name: str


def parse_teams(rows: Iterable[object]) -> tuple[Team, ...]:
    """Return the teams in these rows.

    Raises AnswerError for a row that is no team: it may be the one that is looked for.
    """
    found = []
    for number, row in enumerate(rows):
        identity, name = (
            (row.get("id"), row.get("name")) if isinstance(row, Mapping) else (None, None)
        )
        if (
            not isinstance(identity, str)
            or not _TEAM_ID.fullmatch(identity)
            or not isinstance(name, str)
            or not name
        ):
            raise AnswerError(f"row {number} of the organization's teams has no id or no name")
        found.append(Team(identity, name))
    return tuple(found)


def the_team(wanted: str, teams: Sequence[Team]) -> Team:
    """Return the one team of that name or id.

    Raises ConfigError, with the teams that there are, for none and for several of one name.
    """
    found = {team.id: team for team in teams if wanted in {team.id, team.name}}
    # By id: a name may be that of several teams, and an id is of one.
    if len(found) == 1:
        return next(iter(found.values()))
    # Guessing would cover the wrong people's jobs.
    if found:
        ids = ", ".join(sorted(found)[:_FEW])
        raise ConfigError(
            f"users: {len(found)} teams are called {wanted!r:.80}: write the id of the one that is "
            f"meant, {{team: ID}}; their ids are {ids}. Nothing was listed"
        )
    folded = {team.name.casefold(): team.name for team in teams}
    near = [
        folded[each] for each in get_close_matches(wanted.casefold(), folded, n=_FEW, cutoff=0.5)
    ]
    if near:
        there = f"did you mean {' or '.join(near)}?"
    elif teams:
        names = sorted(folded.values())
        more = f" and {len(names) - _FEW:,} more" if len(names) > _FEW else ""
        there = f"there are: {', '.join(names[:_FEW])}{more}"
    else:
        there = "these credentials see no team"
    raise ConfigError(
        f"users: the organization has no team {wanted!r:.80}: {there}. Nothing was listed"
    )
