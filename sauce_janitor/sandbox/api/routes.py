"""The routes: which HTTP method and path lead to which endpoint.

Paths are matched percent-encoded, as they come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from sauce_janitor.sandbox.api.endpoints import ENDPOINTS, Endpoint, RoutedRequest
from sauce_janitor.sandbox.core.messages import (
    SandboxAnswer,
    SandboxRequest,
    as_json,
    unauthorised,
    unknown_url,
)
from sauce_janitor.sandbox.world.world import World


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """The endpoint of a request (None for an unknown URL), and the variables of the path."""

    endpoint: Endpoint | None
    parts: Mapping[str, str] = field(default_factory=dict)
    is_wrong_method: bool = False


def find(method: str, path: str) -> RouteMatch:
    """Return the endpoint for a method and a percent-encoded path. HEAD is GET without a body."""
    wanted = "GET" if method == "HEAD" else method
    path = _normal(path)
    path_known = False
    for endpoint in ENDPOINTS:
        found = endpoint.pattern.fullmatch(path)
        if found is None:
            continue
        if wanted in endpoint.methods:
            return RouteMatch(
                endpoint,
                {
                    key: unquote(value)
                    for key, value in found.groupdict().items()
                    if value is not None
                },
            )
        # Another endpoint may have the same path with this method, so the search goes on.
        path_known = True
    return RouteMatch(None, is_wrong_method=path_known)


def _normal(path: str) -> str:
    """Return the path with slashes merged and dot segments resolved, as nginx does by default.

    So an id of `.` or `..` is not an unknown job but another resource.
    """
    kept: list[str] = []
    for segment in path.split("/"):
        plain = unquote(segment)
        # The dots may be percent-encoded: nginx decodes a path before it resolves it.
        if plain == "..":
            del kept[-1:]
        elif plain not in {"", "."}:
            kept.append(segment)
    return "/" + "/".join(kept)


def handle(world: World, request: SandboxRequest, match: RouteMatch) -> SandboxAnswer:
    """Return the API's answer, without faults."""
    if match.endpoint is None:
        if match.is_wrong_method:
            return as_json({"detail": f'Method "{request.method}" not allowed.'}, 405)
        return unknown_url()
    if request.user is None and not match.endpoint.is_public:
        return unauthorised()
    return match.endpoint.handle(RoutedRequest(world, request, match.parts))
