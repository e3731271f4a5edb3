"""Parses a page of the users or service accounts of an organization. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sauce_janitor.errors import (
    AnswerError,
)
from sauce_janitor.model.jobs import Owner, owner_name

_USER_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """A page of people: their names and ids, its number of rows, and why some rows are left out.

    `teams` are the ids of the teams of service accounts. `count` and `has_more` are what the page
    says of the whole list, None where it says nothing.
    """

    names: tuple[Owner, ...]
    ids: Mapping[Owner, str]
    teams: Mapping[Owner, str]
    rows: int
    rejected: tuple[str, ...]
    count: int | None
    has_more: bool | None


def parse_people(answer: object) -> PeoplePage:
    """Parse an object with `results`, each with a `username`; a bad row is rejected.

    Raises AnswerError for anything else.
    """
    if not isinstance(answer, Mapping) or not isinstance(answer.get("results"), list):
        raise AnswerError(f"the answer has no list of results: {answer!a:.80}")
    names: list[Owner] = []
    ids: dict[Owner, str] = {}
    teams: dict[Owner, str] = {}
    rejected: list[str] = []
    for number, row in enumerate(answer["results"]):
        try:
            name = owner_name(row.get("username") if isinstance(row, Mapping) else None)
        except ValueError as error:
            rejected.append(f"row {number}: {error}")
            continue
        names.append(name)
        identity = row.get("id")
        # It becomes part of a URL.
        if isinstance(identity, str) and _USER_ID.fullmatch(identity):
            ids[name] = identity
        team = row.get("team")
        if isinstance(team, Mapping) and isinstance(team.get("id"), str):
            teams[name] = team["id"]
    count, links = answer.get("count"), answer.get("links")
    return PeoplePage(
        names=tuple(names),
        ids=ids,
        teams=teams,
        rows=len(answer["results"]),
        rejected=tuple(rejected),
        count=(
            # A count that makes no sense is none, so that no page is believed complete because of
            # it.
            count if isinstance(count, int) and not isinstance(count, bool) and count >= 0 else None
        ),
        has_more=bool(links.get("next")) if isinstance(links, Mapping) else None,
    )
