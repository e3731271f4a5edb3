"""Types for addresses: regions, URLs of APIs and proxies, HOST:PORT, paths."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field

from sauce_janitor.config.grammar.scalars import Parsed, text_of
from sauce_janitor.config.source.problems import did_you_mean, listed, shown
from sauce_janitor.model.archive.locations import bucket_and_prefix

# Source: Sauce Labs' table of data centers, and the spellings that its tools and client libraries
# accept.
_REGIONS: Final = {
    "us-west-1": ("us", "us-west", "uswest", "uswest1", "us-vdc", "default"),
    "eu-central-1": ("eu", "eu-central", "eucentral", "eucentral1", "eu-vdc"),
    "us-east-4": ("us-east", "useast", "useast4"),
}
REGIONS: Final = tuple(_REGIONS)
_SPELLINGS: Final = dict(zip(REGIONS, REGIONS, strict=True))
for _region, _others in _REGIONS.items():
    _SPELLINGS.update(dict.fromkeys(_others, _region))


def region(value: object) -> str:
    """Return the name of the data center for any spelling that Sauce Labs' tools accept."""
    folded = text_of(value, f"a region ({listed(REGIONS)})").strip().lower().replace("_", "-")
    known = _SPELLINGS.get(folded)
    if known is None:
        near = _nearest(folded)
        raise ValueError(
            f"{shown(value)} is not a region: use {listed(REGIONS)}, or base_url for another"
            f" address{near}"
        )
    return known


def _nearest(region: str) -> str:
    """Return a hint at the nearest data center for another cloud's region, such as `eu-west-1`."""
    world, _, rest = region.partition("-")
    side = rest.partition("-")[0]
    there = [name for name in REGIONS if name.startswith(f"{world}-")]
    nearest = [name for name in there if name.startswith(f"{world}-{side}-")] or there
    return f"; did you mean `{nearest[0]}`?" if nearest else did_you_mean(region, REGIONS)


def api_address(value: object) -> str:
    """Return scheme, host and port of an API, without a slash at the end.

    Messages never quote the address, because it may contain a password.
    """
    text = value if isinstance(value, str) else ""
    try:
        address = urlsplit(text)
        address.port  # noqa: B018 - raises ValueError for a port that is none
    except ValueError:
        raise ValueError("is not an address: write https://host or https://host:port") from None
    if (
        address.scheme not in {"https", "http"}
        or not address.hostname
        or re.search(r"[\s\x00-\x1f]", text)
    ):
        raise ValueError("is not an address: write https://host or https://host:port")
    # An address ends up in logs and messages; credentials must not.
    if address.username is not None or address.password is not None:
        raise ValueError("contains a user name or password: use username and access_key")
    # The program builds the paths itself from checked parts. A prefix could turn them into other
    # requests.
    if address.path.strip("/") or address.query or address.fragment:
        raise ValueError(f"must end after the host and port: {address.scheme}://{address.netloc}")
    if address.scheme == "http" and not is_loopback(address.hostname):
        raise ValueError(
            "must be https://: plain http, allowed to a loopback address only, would show the"
            " access key"
        )
    return f"{address.scheme}://{address.netloc}"


def is_loopback(host: str) -> bool:
    """Return whether the host can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_address(value: object) -> str:
    """Return the address of a proxy."""
    text = value if isinstance(value, str) else ""
    try:
        address = urlsplit(text)
        good = (
            address.scheme in {"http", "https"}
            and bool(address.hostname)
            and address.port is not None
        )
    except ValueError:
        good = False
    if not good:
        raise ValueError("is not the address of a proxy: write http://host:port")
    # The file is shared and shown by `config show`.
    if urlsplit(text).password is not None:
        raise ValueError("contains a password: use a proxy that knows this machine by its address")
    return text


def listen_address(value: object) -> str:
    """Return an address to listen on, as HOST:PORT."""
    host, colon, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    # Port 0 is allowed: the system then chooses one, which tests use.
    if not host or not colon or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise ValueError(
            f"{shown(value)} is not an address to listen on: write HOST:PORT such as 127.0.0.1:9469"
        )
    return f"{host}:{port}"


_REGION_NAMES: Final = sorted(
    {*_SPELLINGS, *(name.upper().replace("-", "_") for name in _SPELLINGS)}
)
Region = Annotated[
    str,
    Parsed(
        region,
        {"type": "string", "anyOf": [{"enum": _REGION_NAMES}, {"pattern": "^[A-Za-z0-9_-]+$"}]},
    ),
]
Address = Annotated[str, Parsed(api_address, {"type": "string", "format": "uri"})]
Proxy = Annotated[
    str,
    Parsed(proxy_address, {"type": "string", "format": "uri"}),
]
Listen = Annotated[
    str,
    Parsed(listen_address, {"type": "string", "pattern": "^.+:[0-9]+$"}),
]


def bucket_url(value: object) -> str:
    """Return the address of a bucket, without a slash at the end."""
    text = text_of(value, "the address of a bucket (s3://bucket/prefix)").strip().rstrip("/")
    bucket_and_prefix(text)
    return text


def server_address(value: object) -> str:
    """Return scheme, host and port of a server, without a slash at the end.

    Plain http is accepted: what is sent is signed, and servers inside a cluster often have no
    certificate.
    """
    text = value if isinstance(value, str) else ""
    try:
        address = urlsplit(text)
        good = address.scheme in {"http", "https"} and bool(address.hostname) and address.port != 0
    except ValueError:
        good = False
    if not good or address.username is not None or address.path.strip("/") or address.query:
        raise ValueError("is not the address of a server: write https://host or https://host:port")
    return f"{address.scheme}://{address.netloc}"


BucketUrl = Annotated[
    str,
    Parsed(bucket_url, {"type": "string", "pattern": "^s3://[a-z0-9]"}),
]
ServerAddress = Annotated[
    str,
    Parsed(server_address, {"type": "string", "pattern": "^https?://"}),
]
PathText = Annotated[str, Field(min_length=1, pattern=r"^[^\x00]+$")]
