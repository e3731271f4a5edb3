"""Clients that others wrote for Sauce Labs work against the sandbox as they are: same code, another
host.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from hashlib import md5, sha256
from hmac import new as hmac_of
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.fakes.tunnel import Tunnel
from tests.support.sandbox import Start, finished, unfinished

DATA = Path(__file__).parents[2] / "data"
TLS = DATA / "tls"


def test_sauceclient_lists_reads_changes_stops_and_deletes(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    sauceclient = import_module("sauceclient")
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "loopback.pem"))
    sandbox = start(certificate=TLS / "loopback.pem", private_key=TLS / "loopback-key.pem")
    client = sauceclient.SauceClient("demo", "demo-key", sandbox.base_url.removeprefix("https://"))
    job_id, running = finished(sandbox), unfinished(sandbox)
    truth = sandbox.truth(job_id)
    assert truth is not None

    assert [job["id"] for job in client.jobs.get_jobs(full=True, limit=20, skip=5)] == list(
        sandbox.job_ids()
    )[5:25]
    assert client.jobs.get_job(job_id) == truth.document
    assert client.jobs.update_job(job_id, tags=["seen"], custom_data={"a": "b"})["tags"] == ["seen"]
    assert client.jobs.stop_job(running)["end_time"] is not None
    assert client.jobs.get_job_assets(job_id)["screenshots"] is not None
    assert (
        client.analytics.get_tests(time_range="9d", scope="organization", size=3)["has_more"]
        is True
    )
    assert client.analytics.get_test_trends(time_range="9d", interval="1d")["buckets"]
    assert dict(client.jobs.delete_job_assets(job_id)) == truth.assets
    assert client.jobs.delete_job(job_id)["id"] == job_id
    assert client.information.get_status()["service_operational"]
    assert client.account.get_user()["username"] == "demo"
    with pytest.raises(sauceclient.SauceException, match="404"):
        client.jobs.get_job(job_id)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # it leaves closing its file to the collector
def test_saucelab_api_client_lists_reads_downloads_changes_stops_and_deletes(
    start: Start, tmp_path: Path
) -> None:
    saucelab = import_module("saucelab_api_client.saucelab_api_client")
    sandbox = start()
    client = saucelab.SauceLab(sandbox.base_url, "demo", "demo-key")
    job_id, running = finished(sandbox, with_asset="video.mp4"), unfinished(sandbox)
    try:
        assert [job.job_id for job in client.jobs.get_user_jobs("demo", limit=3)] == list(
            sandbox.job_ids()
        )[:3]
        assert client.jobs.get_job_details("demo", job_id).owner == "demo"
        assert client.jobs.update_job("demo", job_id, tags=["seen"], passed=True).tags == ["seen"]
        assert client.jobs.stop_job("demo", running).end_time is not None
        assert client.jobs.get_job_assets("demo", job_id).video == "video.mp4"
        client.jobs.get_job_asset_file("demo", job_id, "video.mp4", str(tmp_path), "film.mp4")
        assert (tmp_path / "film.mp4").read_bytes() == sandbox.asset(job_id, "video.mp4")
        assert client.jobs.get_job_asset_file("demo", job_id, "log.json")[0]["path"] == "url"
        assert {
            user.username for user in client.accounts.account_user.all_users(username="ali")
        } == {"alice"}
        assert client.accounts.account_team.teams()[0].name == "web"
        # its own path for this lacks /rest/v1: Sauce Labs would not know it either
        assert "404" in client.jobs.delete_all_job_assets("demo", job_id)
        client.jobs.delete_job(job_id)
        assert job_id not in set(sandbox.job_ids())
    finally:
        client._session.close()


class Npm:
    """The npm client `saucelabs`: its hosts are hard-wired, so it is led to the sandbox by its own
    `proxy` option, and trusts the sandbox's certificate for those hosts as Node.js lets one.
    """

    def __init__(self, node: Path, package: Path, sandbox_url: str) -> None:
        self._node, self._package, self._port = node, package, urlsplit(sandbox_url).port
        self.hosts: set[str] = set()

    def __call__(self, *calls: list[Any], region: str = "us") -> list[Any]:
        """What it answers to these calls, in order."""
        assert self._port is not None
        with Tunnel(self._port) as tunnel:
            options = {"user": "demo", "key": "demo-key", "region": region, "proxy": tunnel.url}
            script = str(DATA / "clients" / "saucelabs.cjs")
            done = subprocess.run(
                [self._node, script, self._package, json.dumps(options), json.dumps(calls)],
                env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(TLS / "saucelabs.pem")},
                capture_output=True,
                timeout=120,
                check=True,
            )
            self.hosts |= set(tunnel.hosts)
        answers: list[Any] = json.loads(done.stdout)
        return answers


def test_npm_saucelabs_lists_reads_downloads_changes_and_stops(
    start: Start, component: Callable[[str], Path]
) -> None:
    package = component("sl").parents[1] / "saucelabs"  # `sl` is the package's own program
    sandbox = start(certificate=TLS / "saucelabs.pem", private_key=TLS / "saucelabs-key.pem")
    npm = Npm(component("node"), package, sandbox.base_url)
    job_id, running = finished(sandbox, with_asset="video.mp4"), unfinished(sandbox)
    film = sandbox.asset(job_id, "video.mp4") or b""

    jobs, details, film_hash, log, updated, stopped, builds, alice, together, delete = npm(
        ["listJobs", "demo", {"limit": 3, "full": True}],
        ["getJob", "demo", job_id],
        ["downloadJobAsset", job_id, "video.mp4"],
        ["downloadJobAsset", job_id, "log.json"],
        ["updateJob", "demo", job_id, {"tags": ["seen"], "name": "renamed"}],
        ["stopJob", "demo", running],
        ["listBuilds", "demo", {"limit": 2}],
        ["getUserByUsername", {"username": "alice"}],
        ["getJobsV1_1", {"id": [job_id, running], "full": True}],
        ["deleteJob", "demo", job_id],
    )

    assert [job["id"] for job in jobs["jobs"]] == list(sandbox.job_ids())[:3]
    assert (details["id"], details["owner"]) == (job_id, "demo")
    assert film_hash == sha256(film).hexdigest()
    assert log == json.loads(sandbox.asset(job_id, "log.json") or b"")
    assert (updated["tags"], updated["name"]) == (["seen"], "renamed")
    assert stopped["end_time"] is not None
    assert len(builds) == 2
    assert alice["username"] == "alice"
    assert {job["id"] for job in together["jobs"]} == {job_id, running}
    assert "Couldn't find API endpoint" in delete["threw"], "the client has no delete"
    assert npm.hosts == {"api.us-west-1.saucelabs.com:443", "assets.saucelabs.com:443"}


def test_a_link_made_as_the_clients_make_it_is_good(start: Start) -> None:
    sandbox = start()
    job_id = finished(sandbox)

    token = hmac_of(b"demo:demo-key", job_id.encode(), md5).hexdigest()

    assert sandbox.world.organisation.main.link_token(job_id) == token
