"""Clients that others wrote for Sauce Labs work against the sandbox as they are: same code, another host."""

from __future__ import annotations

from hashlib import md5
from hmac import new as hmac_of
from pathlib import Path

import pytest

from .conftest import Start, finished, unfinished

TLS = Path(__file__).parents[2] / "data" / "tls"


def test_sauceclient_lists_reads_changes_stops_and_deletes(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    sauceclient = pytest.importorskip("sauceclient", reason="a client from PyPI, in the test dependencies")
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "loopback.pem"))
    sandbox = start(certificate=TLS / "loopback.pem", private_key=TLS / "loopback-key.pem")
    client = sauceclient.SauceClient("demo", "demo-key", sandbox.base_url.removeprefix("https://"))
    job_id, running = finished(sandbox), unfinished(sandbox)
    truth = sandbox.truth(job_id)
    assert truth is not None

    assert [job["id"] for job in client.jobs.get_jobs(full=True, limit=20, skip=5)] == list(sandbox.job_ids())[5:25]
    assert client.jobs.get_job(job_id) == truth.document
    assert client.jobs.update_job(job_id, tags=["seen"], custom_data={"a": "b"})["tags"] == ["seen"]
    assert client.jobs.stop_job(running)["end_time"] is not None
    assert client.jobs.get_job_assets(job_id)["screenshots"] is not None
    assert dict(client.jobs.delete_job_assets(job_id)) == truth.assets
    assert client.jobs.delete_job(job_id)["id"] == job_id
    assert client.information.get_status()["service_operational"]
    assert client.account.get_user()["username"] == "demo"
    with pytest.raises(sauceclient.SauceException, match="404"):
        client.jobs.get_job(job_id)


def test_a_link_made_as_the_clients_make_it_is_good(start: Start) -> None:
    sandbox = start()
    job_id = finished(sandbox)

    token = hmac_of(b"demo:demo-key", job_id.encode(), md5).hexdigest()

    assert sandbox.world.organisation.main.link_token(job_id) == token
