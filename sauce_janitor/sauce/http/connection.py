"""How to reach one Sauce Labs account: plain values, checked when they are made."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from urllib.parse import urlsplit

from pydantic import SecretStr

from sauce_janitor.errors import ConfigError
from sauce_janitor.model.request_allowance import (
    POLITE_BURST,
    AllowanceTimetable,
    AllowanceWindow,
    allowance,
)
from sauce_janitor.sauce.http.credential import Credential

# Source: the vendor's region table. The first region's asset host has no region in its name.
_API_PREFIX = "api."
_VENDOR_DOMAIN = ".saucelabs.com"
_FIRST_REGION = "api.us-west-1.saucelabs.com"
_FIRST_REGION_ASSETS = "assets.saucelabs.com"


@dataclass(frozen=True, slots=True)
class Connection:
    """One account's address, credential, patience and request budget. Times are in seconds.

    `timeout_s` bounds a connect and each wait for a byte, `timeout_total_s` a whole asset with its
    retries. `attempts` includes the first one. A Retry-After over `max_wait_s` ends the account's
    run. `per_second` and `per_hour` None mean the polite default, and no limit at all on a loopback
    address; `burst` requests may leave at once. `windows` are other allowances by the hour of the
    day in `zone`. `read_again` reads the credential again after a 401: `credential`, which every
    user of this connection shares, is the one that was accepted last. Raises ConfigError for an
    address that could leak the credential or that the gate could not check.
    """

    base_url: str
    username: str
    access_key: SecretStr
    timeout_s: float = 30.0
    timeout_total_s: float = 1800.0
    attempts: int = 4
    max_wait_s: float = 60.0
    ca_bundle: str | None = None
    proxy: str | None = field(default=None, repr=False)
    per_second: float | None = None
    per_hour: int | None = None
    burst: int = POLITE_BURST
    windows: tuple[AllowanceWindow, ...] = ()
    zone: tzinfo = UTC
    read_again: Callable[[], tuple[str, SecretStr]] | None = field(
        default=None, repr=False, compare=False
    )
    credential: Credential = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in {"https", "http"} or not address.hostname:
            raise ConfigError("base_url must be an https:// address with a host name")
        if address.username is not None or address.password is not None:
            raise ConfigError(
                "base_url must not hold a user name or password: use username and access_key"
            )
        if address.path.strip("/") or address.query or address.fragment:
            raise ConfigError(
                f"base_url must end after the host name and port: https://{address.hostname}"
            )
        if address.scheme == "http" and not self.loopback:
            raise ConfigError(
                "base_url must be https://: plain http would show the access key to the network"
            )
        # In Basic authentication (RFC 7617) the first colon ends the user name.
        if not self.username or ":" in self.username:
            raise ConfigError("username must not be empty and must not hold a colon")
        object.__setattr__(
            self, "credential", Credential(self.username, self.access_key, self.read_again)
        )

    @property
    def host(self) -> str:
        """Return host name and port as configured, for error messages."""
        return urlsplit(self.base_url).netloc

    @property
    def origin(self) -> str:
        """Return scheme, host and port in lower case, without a slash at the end: the start of each
        URL.
        """
        address = urlsplit(self.base_url)
        return f"{address.scheme}://{address.netloc.lower()}"

    @property
    def loopback(self) -> bool:
        """Tell whether the address can only be this machine."""
        host = urlsplit(self.base_url).hostname or ""
        if host == "localhost":
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False

    @property
    def asset_origins(self) -> frozenset[str]:
        """Return where the GET of an asset may be redirected to: this origin and the region's asset
        host.

        Source: region table.
        """
        origins = {self.origin}
        host = urlsplit(self.base_url).hostname or ""
        if host.startswith(_API_PREFIX) and host.endswith(_VENDOR_DOMAIN):
            origins.add("https://assets." + host.removeprefix(_API_PREFIX))
        if host == _FIRST_REGION:
            origins.add(f"https://{_FIRST_REGION_ASSETS}")
        return frozenset(origins)

    @property
    def timetable(self) -> AllowanceTimetable:
        """Return how many requests may leave, and when."""
        usual = allowance(self.per_second, self.per_hour, self.burst, loopback=self.loopback)
        return AllowanceTimetable(usual, self.windows, self.zone)
