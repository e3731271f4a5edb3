"""Where a one-shot run leaves its metrics: a file for node_exporter's textfile collector, a Pushgateway."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

import requests

_PUSH_TIMEOUT_S: Final = 10
_JOB: Final = "/metrics/job/sauce-janitor"


class NotTakenError(Exception):
    """A Pushgateway did not take the metrics; its text is one sentence."""


def write_textfile(path: Path, page: bytes) -> None:
    """Replace the file whole, readable by all: a collector sees the old page or the new one. OSError when it cannot be."""
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")  # the collector reads *.prom only
    try:
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644), "wb") as file:  # noqa: PTH123 - by descriptor
            os.fchmod(file.fileno(), 0o644)  # whatever the umask says
            file.write(page)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def push(gateway: str, page: bytes) -> None:
    """Replace what the Pushgateway has of us. NotTakenError, in a sentence, when it does not take it.

    `gateway` is its address, or the whole of one with its grouping key (…/metrics/job/NAME/instance/ONE).
    Source: https://github.com/prometheus/pushgateway, API, PUT.
    """
    address = gateway if "/metrics/job/" in gateway else gateway + _JOB
    with requests.Session() as session:
        session.trust_env = False  # no proxy and no .netrc that the configuration does not name
        try:
            answer = session.put(
                address, data=page, headers={"Content-Type": "text/plain; version=0.0.4"}, timeout=_PUSH_TIMEOUT_S,
                allow_redirects=False,
            )  # fmt: skip
        except requests.RequestException as wrong:
            raise NotTakenError(f"the Pushgateway does not answer ({type(wrong).__name__})") from wrong
    if answer.status_code not in {200, 202}:
        raise NotTakenError(f"the Pushgateway answers {answer.status_code}: {answer.text[:200]}")
