"""Where a client is: on this machine, behind a proxy here, or elsewhere."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_FORWARDED: Final = ("HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_VIA")


def is_local(host: str) -> bool:
    """Return whether the host, without a port, can only be this machine."""
    address = address_of(host.lower())
    return host.lower() == "localhost" or (address is not None and address.is_loopback)


def host_of(host: str) -> str:
    """Return the host of HOST or HOST:PORT in lower case, without brackets and final dot."""
    text = host.strip().lower()
    if text.startswith("["):
        inside, _, rest = text[1:].partition("]")
        # `[::1].evil.example` is no address.
        return inside if not rest or (rest[0] == ":" and rest[1:].isdecimal()) else text
    name, colon, port = text.rpartition(":")
    # An IPv6 address without brackets has colons, but no port.
    return (name if colon and port.isdecimal() and ":" not in name else text).removesuffix(".")


def address_of(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that the name is, None for another name."""
    try:
        found = ipaddress.ip_address(name)
    except ValueError:
        return None
    # A socket for both protocols says ::ffff:192.0.2.1 of a client that has an IPv4 address.
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def is_from_here(environ: WSGIEnvironment) -> bool:
    """Return whether the client is on this machine, and no proxy sends requests for others."""
    return is_local(str(environ.get("REMOTE_ADDR", ""))) and not any(
        name in environ for name in _FORWARDED
    )


def is_private(environ: WSGIEnvironment) -> bool:
    """Return whether nobody else reads the request on its way: it comes from this machine, and if
    through a proxy here, then that says TLS.
    """
    proto = environ.get("HTTP_X_FORWARDED_PROTO", "https")
    return is_local(str(environ.get("REMOTE_ADDR", ""))) and proto.strip().lower() == "https"
