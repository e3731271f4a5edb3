"""Team management, the older account look-ups that clients begin with, and the service's own state."""

from __future__ import annotations

from sauce_janitor.sandbox.messages import Answer, Request, as_json, forbidden, not_found
from sauce_janitor.sandbox.people import Person
from sauce_janitor.sandbox.world import World

_LIMIT, _LARGEST = 20, 100
_STATES = {"active": True, "inactive": False}


def status() -> Answer:
    """Public: needs no credentials."""
    return as_json(
        {"wait_time": 0.1, "service_operational": True, "status_message": "Basic service status checks passed."}
    )


def users(world: World, request: Request) -> Answer:
    """The organisation's users without its service accounts; `username` is a prefix, as in the real one."""
    prefix, state = request.one("username") or "", request.one("status")
    found = [
        world.organisation.user_document(person)
        for person in world.organisation.people
        if not person.is_service
        and person.name.startswith(prefix)
        and (state is None or person.is_active is _STATES.get(state))
    ]
    return _allowed(world) or _page(request, found)


def user(world: World, uuid: str) -> Answer:
    """One user by uuid."""
    person = world.organisation.with_uuid(uuid)
    if person is None or person.is_service:
        return as_json({"detail": "Not found."}, 404)
    return _allowed(world) or as_json(world.organisation.user_document(person))


def me(world: World, person: Person) -> Answer:
    """Who is asking."""
    if world.behaviours.team_management == "off":
        return not_found()
    return as_json(world.organisation.user_document(person))


def service_accounts(world: World, request: Request) -> Answer:
    """Accounts of pipelines; they own jobs as users do."""
    people = [person for person in world.organisation.people if person.is_service]
    return _allowed(world) or _page(request, [world.organisation.service_account_document(person) for person in people])


def teams(world: World, request: Request) -> Answer:
    """All teams."""
    return _allowed(world) or _page(request, world.organisation.team_documents())


def members(world: World, request: Request, team_uuid: str) -> Answer:
    """Who is in a team."""
    people = [person for person in world.organisation.people if person.team_uuid == team_uuid and not person.is_service]
    return _allowed(world) or _page(request, [world.organisation.user_document(person) for person in people])


def legacy_user(world: World, person: Person) -> Answer:
    """`/rest/v1/users/{user}`, without the access key."""
    document = world.organisation.user_document(person)
    return as_json({"id": person.name, "username": person.name, "email": document["email"], "user_type": "subscribed"})


def legacy_organisation(world: World) -> Answer:
    """`/rest/v1.1/users/{user}/organization` and `siblings`: names only."""
    names = [person.name for person in world.organisation.people]
    return as_json({"count": len(names), "is_ancestor": True, "users": names})


def activity(world: World, person: Person) -> Answer:
    """How many jobs run right now. Source: saucerest-java's recorded activity."""
    ledger = world.ledger(person)
    newest = ledger.gone.newest_first(max(0, ledger.count - 500), ledger.count, 0)
    running = sum(not ledger.is_finished(index) for index in newest)
    counts = {"all": running, "in progress": running, "queued": 0}
    return as_json({"subaccounts": {person.name: counts}, "totals": counts})


def _allowed(world: World) -> Answer | None:
    switch = world.behaviours.team_management
    return None if switch == "on" else forbidden() if switch == "forbidden" else not_found()


def _page(request: Request, rows: list[dict[str, object]]) -> Answer:
    limit, offset = (request.one("limit") or str(_LIMIT)), (request.one("offset") or "0")
    if not limit.isdecimal() or not offset.isdecimal():
        return as_json({"limit": ["A valid integer is required."]}, 400)
    size, start = max(1, min(int(limit), _LARGEST)), int(offset)
    here = f"{request.base_url}{request.path}?limit={size}&offset="
    links = {
        "next": f"{here}{start + size}" if start + size < len(rows) else None,
        "previous": f"{here}{max(0, start - size)}" if start else None,
        "first": f"{here}0",
        "last": f"{here}{max(0, (len(rows) - 1) // size * size)}",
    }
    return as_json({"links": links, "count": len(rows), "results": rows[start : start + size]})
