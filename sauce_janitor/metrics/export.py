"""Where a one-shot run leaves its metrics: a file for node_exporter's textfile collector, a
Pushgateway.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import requests

from sauce_janitor.metrics.registry import Metrics

_PUSH_TIMEOUT_S: Final = 10
_JOB: Final = "/metrics/job/sauce-janitor"
_OWNER: Final = "# sauce-janitor: the file of the instance "
_OWNED: Final = re.compile(rf"{_OWNER}(\S+)\n".encode())


class NotTakenError(Exception):
    """A Pushgateway, or a file that is another's, did not take the metrics; its text is one
    sentence.
    """


def write_textfile(path: Path, page: bytes, *, instance: str) -> None:
    """Replace the file whole, readable by all: a collector sees the old page or the new one.

    NotTakenError where another instance's runs left the file; OSError when it cannot be written.
    """
    # two janitors that write one file would replace each other's numbers, run by run
    if (owner := _owner_of(path)) not in (None, instance):
        raise NotTakenError(
            f"the file is of another janitor (instance {owner}): name another file in"
            " metrics.textfile, and give each configuration a metrics.instance; or remove the file"
            " where that janitor is gone"
        )
    aside = path.with_name(
        f".{path.name}.{secrets.token_hex(4)}"
    )  # the collector reads *.prom only
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(aside, flags, 0o644), "wb") as file:
            os.fchmod(file.fileno(), 0o644)  # whatever the umask says
            file.write(f"{_OWNER}{instance}\n".encode() + page)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def _owner_of(path: Path) -> str | None:
    """The instance that left the file; None where there is none, or one of a version that did not
    say.
    """
    try:
        with path.open("rb") as file:
            found = _OWNED.match(file.read(512))
    except FileNotFoundError:
        return None
    return found[1].decode("utf-8", "replace") if found else None


def push(gateway: str, metrics: Metrics, accounts: Iterable[str], *, instance: str) -> None:
    """Replace what the Pushgateway has of these accounts, and of what is about none, under this
    instance.

    The grouping key is the account and the instance, so that neither two accounts nor two janitors
    replace each other's numbers. `gateway` is its address. Where it is a whole one with a grouping
    key (…/metrics/job/NAME/instance/ONE), the whole page goes there. NotTakenError, in a sentence,
    when a group is not taken; the others are pushed all the same. Source:
    https://github.com/prometheus/pushgateway, API, PUT.
    """
    groups = {gateway: metrics.page()}
    if "/metrics/job/" not in gateway:
        every = (None, *sorted(accounts))
        groups = {
            f"{gateway}{_JOB}{_grouped(each, instance)}": metrics.page_of(each) for each in every
        }
    refused: list[NotTakenError] = []
    with requests.Session() as session:
        session.trust_env = False  # no proxy and no .netrc that the configuration does not name
        for address, page in groups.items():
            try:
                _put(session, address, page)
            except NotTakenError as wrong:
                refused.append(wrong)
    if refused:
        raise refused[0]


def _grouped(account: str | None, instance: str) -> str:
    """The rest of the grouping key; the configuration allows no slash in either name."""
    of_account = "" if account is None else f"/account/{quote(account, safe='')}"
    return f"{of_account}/instance/{quote(instance, safe='')}"


def _put(session: requests.Session, address: str, page: bytes) -> None:
    try:
        answer = session.put(
            address, data=page, headers={"Content-Type": "text/plain; version=0.0.4"}, timeout=_PUSH_TIMEOUT_S,
            allow_redirects=False,
        )  # fmt: skip
    except requests.RequestException as wrong:
        raise NotTakenError(f"the Pushgateway does not answer ({type(wrong).__name__})") from wrong
    if answer.status_code not in {200, 202}:
        raise NotTakenError(f"the Pushgateway answers {answer.status_code}: {answer.text[:200]}")
