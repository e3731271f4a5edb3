"""The Builds API: v1 (Jobs API page), v2 ("Builds API Methods"), and older lookups by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from sauce_janitor.sandbox.api.access import may_read
from sauce_janitor.sandbox.core.messages import (
    SandboxAnswer,
    SandboxRequest,
    as_json,
    bad_request,
    not_found,
)
from sauce_janitor.sandbox.core.people import Person
from sauce_janitor.sandbox.world.documents import (
    BuildStatusCounts,
    build_document,
    build_document_v1,
    build_member,
    seed_row,
)
from sauce_janitor.sandbox.world.population import BUILDS_A_WAVE
from sauce_janitor.sandbox.world.world import BuildRef, JobRef, World

_V1_LIMIT, _V2_LIMIT, _LARGEST = 100, 50, 500


def list_v1(world: World, request: SandboxRequest, person: Person) -> SandboxAnswer:
    """List the builds as an array, newest first."""
    refused = _offers_v1(world) or may_read(world, request, person)
    if refused is not None:
        return refused
    limit = _number(request, "limit", _V1_LIMIT)
    if limit is None:
        return bad_request("limit must be a whole number")
    newest = islice(_documents(world, person, newest_first=True), min(limit, _LARGEST))
    return as_json([build_document_v1(document, person) for document in newest])


def one_v1(world: World, request: SandboxRequest, build: BuildRef) -> SandboxAnswer:
    """Return one build in the shape of v1."""
    document = _document(world, build)
    if document is None:
        return not_found()
    refused = _offers_v1(world) or may_read(world, request, build.person)
    return refused or as_json(build_document_v1(document, build.person))


def jobs_v1(
    world: World, request: SandboxRequest, build: BuildRef, *, only_failed: bool = False
) -> SandboxAnswer:
    """List the jobs of a build; `truncated` is as saucerest-java recorded it."""
    refused = _offers_v1(world) or may_read(world, request, build.person)
    if refused is not None:
        return refused
    documents = (
        world.document(world.ref(build.person, index), request.base_url)
        for index in reversed(build.ledger.members(build.name))
    )
    chosen = [
        each
        for each in documents
        if not only_failed or each["consolidated_status"] in {"failed", "error"}
    ]
    # The short rows of this method have no result either, so `only_failed` chooses before.
    if not request.flag("full"):
        chosen = [seed_row(each, world.organisation, build.person, "******") for each in chosen]
    return as_json({"jobs": chosen, "truncated": False})


def list_v2(world: World, request: SandboxRequest) -> SandboxAnswer:
    """List the builds of the asking user, or of `user_id`, newest first unless `sort=asc`.

    They are filtered by status, name, start and end.
    """
    person = request.user
    user_id = request.one("user_id")
    if user_id is not None:
        # The Builds API names owners by uuid, where the Jobs API has their names.
        person = world.organisation.with_uuid(user_id)
    limit, offset = _number(request, "limit", _V2_LIMIT), _number(request, "offset", 0)
    start, end = (_number(request, key, -1, also=f"{key}_time") for key in ("start", "end"))
    # Node's client sends `start_time` and `end_time`, the documentation has `start` and `end`: both
    # work.
    if limit is None or offset is None or start is None or end is None:
        return bad_request("limit, offset, start and end must be whole numbers")
    if world.behaviours.builds_v2 == "off":
        return not_found()
    if person is None:
        return as_json({"builds": []})
    refused = may_read(world, request, person)
    if refused is not None:
        return refused
    statuses: set[str] = set()
    for value in request.query.get("status", ()):
        # Clients repeat the parameter or join the values with commas.
        statuses.update(value.split(","))
    name = request.one("name")

    def is_wanted(document: dict[str, object]) -> bool:
        created_at = document["creation_time"]
        assert isinstance(created_at, int)
        return (
            (not statuses or document["status"] in statuses)
            and (name is None or document["name"] == name)
            and (start < 0 or created_at >= start)
            and (end < 0 or created_at <= end)
        )

    every = _documents(world, person, newest_first=request.one("sort") != "asc")
    return as_json(
        {"builds": list(islice(filter(is_wanted, every), offset, offset + min(limit, _LARGEST)))}
    )


def one_v2(world: World, request: SandboxRequest, build: BuildRef) -> SandboxAnswer:
    """Return one build."""
    return _v2(world, request, build.person, lambda: _document(world, build))


def jobs_v2(world: World, request: SandboxRequest, build: BuildRef) -> SandboxAnswer:
    """List the jobs of a build, newest first: all of them, or those of `limit` and `offset`.

    With `faulty=true`, which node-saucelabs sends, only those that failed or errored.
    """
    limit, offset = _number(request, "limit", _LARGEST), _number(request, "offset", 0)
    if limit is None or offset is None:
        return bad_request("limit and offset must be whole numbers")

    def members() -> dict[str, object]:
        jobs = (
            world.ref(build.person, index) for index in reversed(build.ledger.members(build.name))
        )
        rows = (build_member(job.id, world.document(job, request.base_url)) for job in jobs)
        wanted = filter(_is_faulty, rows) if request.flag("faulty") else rows
        return {"jobs": list(islice(wanted, offset, offset + limit))}

    return _v2(world, request, build.person, members)


def build_of_job(world: World, request: SandboxRequest, job: JobRef) -> SandboxAnswer:
    """Return the build of a job, or 404 for a job without a build."""

    def found() -> dict[str, object] | None:
        name = job.ledger.build_name(job.index)
        return None if name is None else _document(world, world.build_called(job.person, name))

    return _v2(world, request, job.person, found)


def _offers_v1(world: World) -> SandboxAnswer | None:
    return not_found() if world.behaviours.builds_v1 == "off" else None


def _v2(
    world: World,
    request: SandboxRequest,
    person: Person,
    found: Callable[[], dict[str, object] | None],
) -> SandboxAnswer:
    if world.behaviours.builds_v2 == "off":
        return not_found()
    refused = may_read(world, request, person)
    if refused is not None:
        return refused
    document = found()
    return as_json({"detail": "Not found."}, 404) if document is None else as_json(document)


def _documents(world: World, person: Person, *, newest_first: bool) -> Iterator[dict[str, object]]:
    for name in _names(world, person, newest_first=newest_first):
        document = _document(world, world.build_called(person, name))
        if document is not None:
            yield document


def _names(world: World, person: Person, *, newest_first: bool) -> Iterator[str]:
    """Yield the names of builds by their start. Builds that users made later are newest."""
    ledger = world.ledger(person)
    population = ledger.population
    # A build exists once a job is in it, so a build that an update names for the first time is the
    # newest.
    made = [name for name in ledger.adopted if population.build_named(name) is None]
    if newest_first:
        yield from reversed(made)
    waves = range(population.waves)
    for wave in reversed(waves) if newest_first else waves:
        yield from (
            population.build_name(wave * BUILDS_A_WAVE + slot) for slot in range(BUILDS_A_WAVE)
        )
    if not newest_first:
        yield from made


def _document(world: World, build: BuildRef) -> dict[str, object] | None:
    with world.lock:
        members = build.ledger.members(build.name)
        # Statuses are counted from the jobs each time: an update or a delete shows at once.
        if members:
            return build_document(
                world.organisation,
                build.person,
                build.id,
                build.name,
                BuildStatusCounts(build.ledger, members),
            )
        number = build.ledger.population.build_named(build.name)
        # A build whose jobs are all deleted, or moved away: whether it stays is not documented.
        born = [] if number is None else build.ledger.population.members(number)
    if not born or world.behaviours.empty_builds == "hide":
        return None
    empty = build_document(
        world.organisation, build.person, build.id, build.name, BuildStatusCounts(build.ledger, ())
    )
    created_at = build.ledger.created_at(born[0])
    return {
        **empty,
        "creation_time": created_at,
        "start_time": created_at,
        "modification_time": created_at,
    }


def _is_faulty(row: dict[str, object]) -> bool:
    state = row["state"]
    return isinstance(state, dict) and bool(state["failed"] or state["errored"])


def _number(
    request: SandboxRequest, key: str, default: int, *, also: str | None = None
) -> int | None:
    text = request.one(key) or (request.one(also) if also is not None else None)
    if text is None:
        return default
    return int(text) if text.isdecimal() else None
