"""The Jobs API's methods for assets, and the asset host with its signed links."""

from __future__ import annotations

import hmac
import re
from dataclasses import replace
from datetime import UTC, datetime

from sauce_janitor.sandbox.api.access import may_read, may_write
from sauce_janitor.sandbox.core.messages import (
    Effect,
    SandboxAnswer,
    SandboxRequest,
    as_json,
    bad_request,
    not_finished,
    not_found,
    unauthorised,
)
from sauce_janitor.sandbox.core.options import Gone
from sauce_janitor.sandbox.world.assets import content_type, listing, screenshots_zip
from sauce_janitor.sandbox.world.world import JobRef, World

_COMPRESSED = (".gz", ".zip", ".mp4", ".png")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")


def list_assets(world: World, request: SandboxRequest, job: JobRef) -> SandboxAnswer:
    """List the assets by key. What a job without assets shows is a behaviour."""
    refused = may_read(world, request, job.person)
    if refused is not None:
        return refused
    if not job.ledger.is_finished(job.index):
        return not_finished()
    assets = world.assets(job)
    if assets:
        return as_json(listing(job.ledger.facts(job.index), assets))
    # A job can be both: assets deleted, and old enough for the purge. Then the delete counts.
    if job.index in job.ledger.stripped:
        return _gone(world.behaviours.deleted_assets)
    return (
        _gone(world.behaviours.purged_assets)
        if world.is_purged(job)
        # A finished job that never had an asset is not gone; clients get an empty list.
        else as_json({"screenshots": []})
    )


def get_asset(world: World, request: SandboxRequest, job: JobRef, name: str) -> SandboxAnswer:
    """Return one file. `screenshots.zip` is made from all screenshots."""
    refused = may_read(world, request, job.person)
    if refused is not None:
        return refused
    if not job.ledger.is_finished(job.index):
        return not_finished()
    # Only a file that exists redirects, or the signed link would lead to a 404.
    if world.behaviours.asset_redirect == "on" and _find(world, job, name) is not None:
        link = f"{request.base_url}/jobs/{job.id}/{name}?auth={job.person.link_token(job.id)}"
        return SandboxAnswer(302, headers={"Location": link}, content_type="text/html")
    return _file(world, request, job, name)


def get_by_link(world: World, request: SandboxRequest, job: JobRef, name: str) -> SandboxAnswer:
    """Return a file of the asset host, for a signed link or Basic credentials.

    A link has `?auth=` with the owner's token, or with `user:token`.
    """
    if request.user is None and not _is_signed(world, request, job):
        return unauthorised()
    return _file(world, request, job, name) if job.ledger.is_finished(job.index) else not_finished()


def delete_assets(world: World, request: SandboxRequest, job: JobRef) -> SandboxAnswer:
    """Delete all files, also those that are not listed, and return their names and sizes."""
    refused = may_write(world, request, job.person)
    if refused is not None:
        return refused
    if not job.ledger.is_finished(job.index):
        return not_finished()
    with world.lock:
        # Read under the lock: of two deletes at once, only the first may report the files.
        destroyed = world.destroyed(job)
        job.ledger.stripped.add(job.index)
        job.ledger.uploads.pop(job.index, None)
    # sauce_whisk treats 400 as "already deleted", so the real API does not answer a second delete
    # as it does the first.
    if destroyed:
        return as_json(
            [[asset.name, asset.size] for asset in destroyed],
            effect=Effect(job.id, assets=destroyed),
        )
    again = world.behaviours.second_asset_delete
    if again == "200":
        return as_json([])
    return not_found() if again == "404" else bad_request("No assets to delete")


def _gone(how: Gone) -> SandboxAnswer:
    if how == "404":
        return not_found()
    return as_json(
        {}
        if how == "empty"
        else {"video": None, "selenium-log": None, "sauce-log": None, "screenshots": []}
    )


def _file(world: World, request: SandboxRequest, job: JobRef, name: str) -> SandboxAnswer:
    data = _find(world, job, name)
    if data is None:
        return not_found()
    # Files that are compressed already are sent as they are, and so with a Content-Length.
    answer = SandboxAnswer(200, data, content_type(name), compress=not name.endswith(_COMPRESSED))
    wanted = _RANGE.fullmatch(request.headers.get("range", ""))
    if world.behaviours.asset_range == "off" or wanted is None:
        return answer
    # A range beyond the end is cut there (RFC 9110).
    first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
    if first > last:
        return SandboxAnswer(416, headers={"Content-Range": f"bytes */{len(data)}"})
    headers = {"Content-Range": f"bytes {first}-{last}/{len(data)}", "Accept-Ranges": "bytes"}
    return replace(answer, status=206, body=data[first : last + 1], headers=headers, compress=False)


def _find(world: World, job: JobRef, name: str) -> bytes | None:
    assets = world.assets(job)
    # The archive is not in the list, but the vendor's later documentation has it ("Get All
    # Screenshots").
    if name == "screenshots.zip" and world.behaviours.screenshots_zip == "on":
        return screenshots_zip(assets)
    # Hidden files appear only in the answer to a delete, so nobody can download them.
    found = next((asset for asset in assets if asset.name == name and not asset.is_hidden), None)
    return None if found is None else found.read()


def _is_signed(world: World, request: SandboxRequest, job: JobRef) -> bool:
    auth = request.one("auth") or ""
    name, colon, token = auth.partition(":")
    person = world.organisation.named(name) if colon else job.person
    today = datetime.now(UTC)
    return person is not None and any(
        hmac.compare_digest(
            (token if colon else auth).encode(), person.link_token(job.id, until).encode()
        )
        # A token is valid forever, for a day or for an hour; it does not say which, so each is
        # tried.
        for until in ("", today.strftime("%Y-%m-%d"), today.strftime("%Y-%m-%d-%H"))
    )
