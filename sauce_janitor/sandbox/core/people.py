"""The people of the sandbox's organisation: users, their keys, teams, and a service account."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from hashlib import md5

from sauce_janitor.sandbox.core.chance import key_of
from sauce_janitor.sandbox.core.computed_ids import uuid_of

ADMIN, TEAM_ADMIN, MEMBER = 1, 4, 3
_ROLE_NAMES = {ADMIN: "organization admin", TEAM_ADMIN: "team admin", MEMBER: "member"}
_TEAMS = ("web", "platform")


@dataclass(frozen=True, slots=True)
class Person:
    """One owner of jobs.

    `number` is part of the ids of the owner's jobs. A service account is not among the users.
    """

    number: int
    name: str
    access_key: str
    uuid: str
    team: str
    team_uuid: str
    role: int
    is_active: bool
    is_service: bool

    @property
    def is_admin(self) -> bool:
        """Return whether the person may change everybody's jobs."""
        return self.role == ADMIN

    def link_token(self, job_id: str, until: str = "") -> str:
        """Return the `auth` of a link to the job's assets.

        `until` is empty (forever), or a day or an hour in UTC: `2026-01-31` or `2026-01-31-23`.

        Source: Sauce's "Sharing test results": HMAC-MD5 of the job id with `user:key[:until]`.
        """
        key = f"{self.name}:{self.access_key}" + (f":{until}" if until else "")
        return hmac.new(key.encode(), job_id.encode(), md5).hexdigest()


class Organisation:
    """All people, by name, number or uuid."""

    def __init__(
        self, seed: int, main_user: str, main_access_key: str, *, colleagues: int = 0
    ) -> None:
        self._key = key_of(seed, "people")
        self.uuid = uuid_of(self._key, "organisation")
        self.name = "Example Web Shop"
        others = (*OTHERS, *(f"colleague-{number:03}" for number in range(1, colleagues + 1)))
        # `--user alice` makes the main user alice, who must not exist twice.
        names = [main_user, *(name for name in others if name != main_user)]
        self.people = tuple(
            self._person(number, name, main_access_key) for number, name in enumerate(names)
        )
        self._by_name = {person.name.casefold(): person for person in self.people}

    @property
    def main(self) -> Person:
        """Return the user whose credentials the sandbox prints."""
        return self.people[0]

    def named(self, name: str) -> Person | None:
        """Return the person with this name, in upper or lower case."""
        return self._by_name.get(name.casefold())

    def with_uuid(self, uuid: str) -> Person | None:
        """Return the person with this uuid, with or without dashes."""
        wanted = uuid.replace("-", "").lower()
        return next((person for person in self.people if person.uuid == wanted), None)

    def user_document(self, person: Person) -> dict[str, object]:
        """Return a row of team management's users.

        Source: Sauce's "Accounts API Methods", Lookup Users.
        """
        # A name can be an address or have letters that an address cannot.
        mailbox = person.name.encode("ascii", "ignore").decode().split("@")[0] or "user"
        return {
            "id": person.uuid,
            "username": person.name,
            "email": f"{mailbox}@example.com",
            "first_name": person.name.split(".")[0].title(),
            "last_name": "",
            "is_active": person.is_active,
            "organization": {"id": self.uuid, "name": self.name},
            "teams": [self._team_document(person)],
            "roles": [{"role": person.role, "name": _ROLE_NAMES[person.role]}],
        }

    def service_account_document(self, person: Person) -> dict[str, object]:
        """Return a row of team management's service accounts."""
        return {
            "id": person.uuid,
            "username": person.name,
            "name": "Nightly pipeline",
            "team": {"id": person.team_uuid, "name": person.team},
            "creator": {"id": self.main.uuid, "username": self.main.name},
        }

    def team_documents(self) -> list[dict[str, object]]:
        """Return every team once."""
        return list({person.team: self._team_document(person) for person in self.people}.values())

    def _team_document(self, person: Person) -> dict[str, object]:
        members = sum(other.team == person.team for other in self.people)
        return {
            "id": person.team_uuid,
            "name": person.team,
            "is_default": person.team == _TEAMS[0],
            "org_uuid": self.uuid,
            "user_count": members,
        }

    def _person(self, number: int, name: str, main_access_key: str) -> Person:
        is_main = number == 0
        team = _TEAMS[number % 2]
        role = {0: ADMIN, 1: TEAM_ADMIN}.get(number, MEMBER)
        return Person(
            number=number,
            name=name,
            # Keys that can be guessed, so that a test or a demo can be any user.
            access_key=main_access_key if is_main else f"{name}-key",
            uuid=uuid_of(self._key, name),
            team=team,
            team_uuid=uuid_of(self._key, f"team {team}"),
            role=role,
            # The main user is active and no service account, whatever the name.
            is_active=is_main or name != "bob",
            is_service=not is_main and name == "sso-nightly-bot",
        )


OTHERS = ("alice", "bob", "sso-nightly-bot", "jörg.weiß+qa@example.com")
"""The other owners: a team admin, a person who has left (inactive), a service account, and a name
that needs percent-encoding.
"""
