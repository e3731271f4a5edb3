"""Team management, the older account lookups that clients begin with, and the service's status."""

from __future__ import annotations

from urllib.parse import urlencode

from sauce_janitor.sandbox.core.messages import (
    SandboxAnswer,
    SandboxRequest,
    as_json,
    forbidden,
    not_found,
)
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world.world import World

_LIMIT, _LARGEST = 20, 100
_STATES = {"active": True, "inactive": False}


def status() -> SandboxAnswer:
    """Return the service's status. It needs no credentials."""
    return as_json(
        {
            "wait_time": 0.1,
            "service_operational": True,
            "status_message": "Basic service status checks passed.",
        }
    )


def users(world: World, request: SandboxRequest) -> SandboxAnswer:
    """List the organisation's users without service accounts, filtered.

    `username` is a prefix, as in the real API.
    """
    found = [
        world.organisation.user_document(person)
        for person in world.organisation.people
        if not person.is_service and _is_wanted(world, request, person)
    ]
    return _allowed(world, request) or _page(request, found)


def user(world: World, request: SandboxRequest, uuid: str) -> SandboxAnswer:
    """Return one user by uuid."""
    person = world.organisation.with_uuid(uuid)
    if person is None or person.is_service:
        return as_json({"detail": "Not found."}, 404)
    return _allowed(world, request) or as_json(world.organisation.user_document(person))


def me(world: World, person: Person) -> SandboxAnswer:
    """Return the asking user."""
    if world.behaviours.team_management == "off":
        return not_found()
    return as_json(world.organisation.user_document(person))


def service_accounts(world: World, request: SandboxRequest) -> SandboxAnswer:
    """List the service accounts, which own jobs as users do. Not every Sauce plan has them."""
    people = [person for person in world.organisation.people if person.is_service]
    rows = [world.organisation.service_account_document(person) for person in people]
    refused = _allowed(world, request) or _by_switch(world.behaviours.service_accounts)
    return refused or _page(request, rows)


def teams(world: World, request: SandboxRequest) -> SandboxAnswer:
    """List all teams, or those whose name begins with `name`."""
    prefix = request.one("name") or ""
    rows = [
        team for team in world.organisation.team_documents() if str(team["name"]).startswith(prefix)
    ]
    return _allowed(world, request) or _page(request, rows)


def members(world: World, request: SandboxRequest, team_uuid: str) -> SandboxAnswer:
    """List the users of a team."""
    people = [
        person
        for person in world.organisation.people
        if person.team_uuid == team_uuid and not person.is_service
    ]
    rows = [world.organisation.user_document(person) for person in people]
    return _allowed(world, request) or _page(request, rows)


def legacy_user(world: World, person: Person) -> SandboxAnswer:
    """Answer `/rest/v1/users/{user}`, without the access key."""
    document = world.organisation.user_document(person)
    return as_json(
        {
            "id": person.name,
            "username": person.name,
            "email": document["email"],
            "user_type": "subscribed",
        }
    )


def legacy_organisation(world: World) -> SandboxAnswer:
    """Answer `/rest/v1.1/users/{user}/organization` and `siblings` with the names only."""
    names = [person.name for person in world.organisation.people]
    return as_json({"count": len(names), "is_ancestor": True, "users": names})


def activity(world: World, person: Person) -> SandboxAnswer:
    """Return how many jobs run now. Source: saucerest-java's recorded activity."""
    ledger = world.ledger(person)
    # Only the newest jobs can run, but for a few runaways; looking at all of a million is too slow
    # for a method that clients poll.
    newest = ledger.gone.newest_first(max(0, ledger.count - 500), ledger.count, 0)
    running = sum(not ledger.is_finished(index) for index in newest)
    counts = {"all": running, "in progress": running, "queued": 0}
    return as_json({"subaccounts": {person.name: counts}, "totals": counts})


def _is_wanted(world: World, request: SandboxRequest, person: Person) -> bool:
    """Return whether the person passes the filters of Lookup Users.

    Several teams, team names or roles are separated by commas.
    """
    document = world.organisation.user_document(person)
    state, phrase = request.one("status"), request.one("phrase") or ""
    spoken = (document["first_name"], document["last_name"], document["email"])
    return (
        person.name.startswith(request.one("username") or "")
        # An unknown status matches nobody: `_STATES.get` then returns None.
        and (state is None or person.is_active is _STATES.get(state))
        and any(str(text).startswith(phrase) for text in spoken)
        and _is_among(request.one("teams"), person.team_uuid)
        and _is_among(request.one("team-name"), person.team)
        and _is_among(request.one("roles"), str(person.role))
    )


def _is_among(words: str | None, word: str) -> bool:
    return words is None or word in words.split(",")


def _allowed(world: World, request: SandboxRequest) -> SandboxAnswer | None:
    """Return None, or the refusal: a service account cannot manage accounts.

    Source: Sauce's "Managing service accounts".
    """
    if request.user is not None and request.user.is_service:
        return forbidden()
    return _by_switch(world.behaviours.team_management)


def _by_switch(switch: str) -> SandboxAnswer | None:
    if switch == "on":
        return None
    return forbidden() if switch == "forbidden" else not_found()


def _page(request: SandboxRequest, rows: list[dict[str, object]]) -> SandboxAnswer:
    limit, offset = (request.one("limit") or str(_LIMIT)), (request.one("offset") or "0")
    if not limit.isdecimal() or not offset.isdecimal():
        return as_json({"limit": ["A valid integer is required."]}, 400)
    # A larger limit is cut to 100 without a word, so a client must follow `next`.
    size, start = max(1, min(int(limit), _LARGEST)), int(offset)
    filters: list[tuple[str, str]] = []
    for key, values in request.query.items():
        # The links keep the filters: a client that follows `next` must not leave its selection.
        if key not in {"limit", "offset"}:
            filters += [(key, value) for value in values]

    def link(place: int) -> str:
        query = urlencode([*filters, ("limit", size), ("offset", place)])
        return f"{request.base_url}{request.path}?{query}"

    links = {
        "next": link(start + size) if start + size < len(rows) else None,
        "previous": link(max(0, start - size)) if start else None,
        "first": link(0),
        "last": link(max(0, (len(rows) - 1) // size * size)),
    }
    return as_json({"links": links, "count": len(rows), "results": rows[start : start + size]})
