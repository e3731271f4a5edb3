"""Opens one asset: follows at most one redirect and limits a large body."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import unquote, urljoin, urlsplit

from sauce_janitor.errors import AnswerError
from sauce_janitor.model.jobs import JobId, Owner
from sauce_janitor.sauce.http import paths
from sauce_janitor.sauce.http.bodies import ResponseBody
from sauce_janitor.sauce.http.exchange_watch import AnswerLimits
from sauce_janitor.sauce.http.transport import (
    Answer,
    HttpRequest,
    Transport,
    raw_of,
    refuse_redirect,
)

# A limit for endless streams. The archive checks what the disk has room for.
MOST_ASSET_BYTES: Final = 64 * 1024**3
_SLOWEST_BYTES_A_SECOND: Final = 1024.0
_FOLLOWED: Final = frozenset({301, 302, 303, 307, 308})

AssetBody = ResponseBody


@contextmanager
def open_asset(transport: Transport, owner: Owner, job: JobId, name: str) -> Iterator[AssetBody]:
    """Open the body of an asset.

    One redirect is followed: to the same host or the region's asset host, for the same job and
    file. Errors while reading are AnswerError (this asset failed, others may succeed); errors while
    opening are those of `Transport.open`.
    """
    what = f"asset {name!a:.120} of job {job}"
    request = HttpRequest("GET", paths.asset(owner, job, name), "asset", what, accept="*/*")
    limits = _limits(transport)
    with transport.open(request, limits) as answer:
        if answer.status_code not in _FOLLOWED:
            yield _body(answer, what, name)
            return
        onward = _redirected(transport, answer, request, job, name)
    with transport.open(onward, limits) as answer:
        refuse_redirect(answer, what)
        yield _body(answer, what, name)


def _limits(transport: Transport) -> AnswerLimits:
    connection = transport.connection
    return AnswerLimits(
        idle_s=connection.timeout_s,
        total_s=connection.timeout_total_s,
        max_bytes=MOST_ASSET_BYTES,
        min_rate=_SLOWEST_BYTES_A_SECOND,
    )


def _body(answer: Answer, what: str, name: str) -> AssetBody:
    # A 206 has a part of the file, a 204 nothing of it.
    if answer.status_code != 200:
        raise AnswerError(f"{what} is answered with {answer.status_code}, 200 was expected")
    return ResponseBody(
        raw_of(answer),
        max_bytes=MOST_ASSET_BYTES,
        what=what,
        named_gzip=name.lower().endswith(".gz"),
    )


def _redirected(
    transport: Transport, answer: Answer, request: HttpRequest, job: JobId, name: str
) -> HttpRequest:
    """Return the request that the redirect asks for, if it may be followed.

    The credential is sent to the account's own host only.
    """
    connection = transport.connection
    try:
        place = urlsplit(urljoin(connection.origin + request.target, answer.headers["Location"]))
    except (KeyError, ValueError):
        raise AnswerError(f"{request.what} is answered with a redirect without a target") from None
    origin = f"{place.scheme}://{place.netloc.lower()}"
    # Any other host may answer anything.
    if origin not in connection.asset_origins:
        refuse_redirect(answer, request.what)
    folder, _, last = place.path.rpartition("/")
    # Another job's or file's bytes would be stored under this name.
    if unquote(last) != name or folder.removesuffix("/assets").rpartition("/")[2] != job:
        raise AnswerError(
            f"{request.what} is answered with a redirect to another job or file: not followed"
        )
    target = place.path + (f"?{place.query}" if place.query else "")
    return HttpRequest(
        "GET",
        target,
        request.endpoint,
        request.what,
        None if origin == connection.origin else origin,
        request.accept,
    )
