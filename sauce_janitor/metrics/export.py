"""The export of a one-shot run's metrics: a file for node_exporter's textfile collector, or a
Pushgateway.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from sauce_janitor.metrics.registry import Metrics

if TYPE_CHECKING:
    import requests

_PUSH_TIMEOUT_S: Final = 10
_JOB: Final = "/metrics/job/sauce-janitor"
_OWNER: Final = "# sauce-janitor: the file of the instance "
_OWNED: Final = re.compile(rf"{_OWNER}(\S+)\n".encode())


class MetricsExportError(Exception):
    """A Pushgateway did not accept the metrics, or the file belongs to another instance.

    The text is one sentence.
    """


def write_textfile(path: Path, page: bytes, *, instance: str) -> None:
    """Replace the file in one step, readable by all: a collector sees the old or the new page.

    Raise MetricsExportError if the file belongs to another instance, and OSError when it cannot be
    written.
    """
    # Two instances that write one file would replace each other's numbers at every run.
    if (owner := _owner_of(path)) not in (None, instance):
        raise MetricsExportError(
            f"the file belongs to another instance ({owner}): name another file in"
            " metrics.textfile, and give each configuration a metrics.instance; or remove the file"
            " if that instance no longer exists"
        )
    # The collector reads *.prom only, so it never sees the partial file.
    partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(partial, flags, 0o644), "wb") as file:
            # The collector usually runs as another user, and a strict umask would lock it out.
            os.fchmod(file.fileno(), 0o644)
            file.write(f"{_OWNER}{instance}\n".encode() + page)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _owner_of(path: Path) -> str | None:
    """Return the instance that wrote the file; None without a file, or without a name in it.

    Early versions wrote no name.
    """
    try:
        with path.open("rb") as file:
            found = _OWNED.match(file.read(512))
    except FileNotFoundError:
        # The first run of this instance.
        return None
    return found[1].decode("utf-8", "replace") if found else None


def push(gateway: str, metrics: Metrics, accounts: Iterable[str], *, instance: str) -> None:
    """Replace the metrics of this instance in the Pushgateway: one group for each account, and one
    for the metrics without an account.

    The grouping key has the account and the instance, so that neither two accounts nor two
    instances replace each other's numbers. If the address `gateway` already has a grouping key
    (…/metrics/job/NAME/instance/ONE), the whole page goes there. Raise MetricsExportError when a
    group is not accepted; the others are pushed nevertheless.
    Source: https://github.com/prometheus/pushgateway, API, PUT.
    """
    import requests

    groups = {gateway: metrics.page()}
    if "/metrics/job/" not in gateway:
        every = (None, *sorted(accounts))
        groups = {
            f"{gateway}{_JOB}{_grouped(each, instance)}": metrics.page_of(each) for each in every
        }
    refused: list[MetricsExportError] = []
    with requests.Session() as session:
        # Use no proxy and no .netrc that the configuration does not name.
        session.trust_env = False
        for address, page in groups.items():
            try:
                _put(session, address, page)
            except MetricsExportError as error:
                refused.append(error)
    if refused:
        raise refused[0]


def _grouped(account: str | None, instance: str) -> str:
    """Return the rest of the grouping key. The configuration allows no slash in either name."""
    of_account = "" if account is None else f"/account/{quote(account, safe='')}"
    return f"{of_account}/instance/{quote(instance, safe='')}"


def _put(session: requests.Session, address: str, page: bytes) -> None:
    import requests

    try:
        answer = session.put(
            address,
            data=page,
            headers={"Content-Type": "text/plain; version=0.0.4"},
            timeout=_PUSH_TIMEOUT_S,
            allow_redirects=False,
        )
    except requests.RequestException as error:
        # The text of the error may have the address, and a password in it: name its type only.
        raise MetricsExportError(
            f"the Pushgateway does not answer ({type(error).__name__})"
        ) from error
    if answer.status_code not in {200, 202}:
        raise MetricsExportError(
            f"the Pushgateway answers {answer.status_code}: {answer.text[:200]}"
        )
