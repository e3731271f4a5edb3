"""A user's session with a sandbox, and the jobs that tests look for in it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable

import requests

from sauce_janitor.sandbox import Sandbox

NOW = 1_760_000_000


class Caller:
    """A session of one user with a sandbox; paths only."""

    def __init__(self, sandbox: Sandbox, user: str, access_key: str) -> None:
        self.sandbox, self.user = sandbox, user
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Authorization"] = (
            "Basic " + b64encode(f"{user}:{access_key}".encode()).decode()
        )

    def __call__(self, method: str, path: str, **options: object) -> requests.Response:
        options.setdefault("timeout", 20)
        return self.session.request(method, self.sandbox.base_url + path, **options)  # type: ignore[arg-type]  # as requests has them

    def get(self, path: str, **options: object) -> requests.Response:
        return self("GET", path, **options)


Start = Callable[..., Sandbox]
Call = Callable[..., Caller]


def finished(sandbox: Sandbox, *, with_asset: str | None = None, purged: bool = False) -> str:
    """The newest finished job whose assets are (not) purged, with a certain asset if wanted."""
    for job_id in sandbox.job_ids():
        truth = sandbox.truth(job_id)
        assert truth is not None
        if truth.document["end_time"] is None or bool(truth.assets) is purged:
            continue
        if with_asset is None or with_asset in truth.assets:
            return job_id
    raise AssertionError("no such job")


def unfinished(sandbox: Sandbox) -> str:
    """The newest job that runs."""
    for job_id in sandbox.job_ids():
        truth = sandbox.truth(job_id)
        if truth is not None and truth.document["status"] == "in progress":
            return job_id
    raise AssertionError("no such job")
