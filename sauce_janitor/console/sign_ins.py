"""Signing in to the console: passwords are checked, sessions begin, are found again, and end.

Passwords and roles come from the file of users, at each request: a removed user, another role or a
new password count at once. Sessions are in the state, which all processes share.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import structlog

from sauce_janitor.clock import Clock
from sauce_janitor.config.passwords import hashed, matches
from sauce_janitor.config.web_users import WebUser, WebUsers, user_name
from sauce_janitor.console.failed_tries import FailedTries
from sauce_janitor.errors import StateError
from sauce_janitor.model.roles import Principal
from sauce_janitor.state import State, WebSession
from sauce_janitor.web.access.client_address import address_of, host_of
from sauce_janitor.web.access.sign_in import SignedIn, SignInRefused

_ID: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_ID_BYTES: Final = 32
_SEEN_EVERY_S: Final = 60
_CHECKS_AT_ONCE: Final = 2
"""How many passwords are checked at once. Each takes 64 MiB, a thread of the server, and a core."""
_LOOKS_AT_ONCE: Final = 4
"""How many threads of the server may wait for a database that hangs; the others answer probes."""
_LOOK_S: Final = 0.5
_HANGS_S: Final = 5.0
"""How long nobody waits for a database for which somebody has waited in vain."""
_WINDOW_S: Final = 600
_TRIES_OF_ADDRESS: Final = 10
_TRIES_OF_USER: Final = 30
"""More than one address may fail: otherwise a stranger could lock a user out from one."""

_WRONG: Final = "The name or the password is wrong."
_TOO_MANY: Final = "There were too many failed tries. Try again in ten minutes."
_BUSY: Final = "Others are signing in at this moment. Try again in a few seconds."


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """How long a session lasts: after it began, and after its last request, in seconds."""

    session_s: int
    idle_s: int


class SignIns:
    """The sessions of the console (see `web.access.sign_in`). Any thread may use it.

    `users` returns those who may sign in now, `state` the open state; it raises StateError while
    there is none.
    """

    def __init__(
        self,
        users: Callable[[], WebUsers],
        state: Callable[[], State],
        clock: Clock,
        times: SessionTimes,
    ) -> None:
        self._users, self._state, self._clock, self._times = users, state, clock, times
        self._checks = threading.BoundedSemaphore(_CHECKS_AT_ONCE)
        self._looks = threading.BoundedSemaphore(_LOOKS_AT_ONCE)
        self._hangs_until = -float("inf")
        # When sessions had their last request, until that is stored.
        self._seen: dict[bytes, int] = {}
        self._of_address = FailedTries(_TRIES_OF_ADDRESS, _WINDOW_S, clock.monotonic)
        self._of_user = FailedTries(_TRIES_OF_USER, _WINDOW_S, clock.monotonic)
        # What an unknown user's password is compared with: the answer takes as long as for others.
        self._nobody = hashed(secrets.token_urlsafe(_ID_BYTES))
        self._log: Any = structlog.get_logger()

    def find(self, session_id: str, *, is_active: bool = True) -> Principal | None:
        """Return who has this session, None where it is none, or over. Raise StateError.

        Without `is_active`, nobody is there: a page reloads itself.
        """
        if not _ID.fullmatch(session_id):
            return None
        digest, now = _digest(session_id), int(self._clock.now())
        # While it hangs, a queue of clients that each wait would keep probes waiting behind them.
        patience = 0.0 if self._clock.monotonic() < self._hangs_until else _LOOK_S
        if not self._looks.acquire(timeout=patience):
            self._hangs_until = self._clock.monotonic() + _HANGS_S
            raise StateError("the state does not answer")
        try:
            found = self._state().web_sessions.find(digest)
            if found is None or not self._is_on(found, now):
                return None
            user = self._users().get(found.user_name)
            # The user was removed, or has a new password.
            if user is None or not secrets.compare_digest(user.credential, found.credential):
                return None
            # Not stored here: a run may write for seconds, and no page waits for that.
            if is_active and now - found.seen_at >= _SEEN_EVERY_S:
                self._seen[digest] = now
            return Principal(user.name, user.role)
        finally:
            self._looks.release()

    def store_seen(self) -> None:
        """Store when sessions had their last request, for other processes and after a restart. One
        thread calls it, again and again.
        """
        for digest, at in list(self._seen.items()):
            # On a full disk the pages can be read still. It is tried again.
            with suppress(StateError):
                self._state().web_sessions.saw(digest, at=at)
                # Unless there was another request meanwhile.
                if self._seen.get(digest) == at:
                    del self._seen[digest]

    def sign_in(self, name: str, password: str, address: str) -> SignedIn:
        """Begin a session. Raise SignInRefused with a sentence for the page, and StateError."""
        key = _key_of(name)
        # A password that was typed as the name must not be in the log.
        logged = key if key in self._users() else "(unknown)"
        try:
            user = self._checked(key, password, address)
        except SignInRefused as refused:
            self._log.warning("web.sign_in_refused", user=logged, address=address, why=refused.why)
            raise
        now, session_id = int(self._clock.now()), secrets.token_urlsafe(_ID_BYTES)
        session = WebSession(
            _digest(session_id),
            user.name,
            user.credential,
            created_at=now,
            seen_at=now,
            expires_at=now + self._times.session_s,
        )
        self._state().web_sessions.add(session)
        self._log.info("web.signed_in", user=user.name, role=str(user.role), address=address)
        return SignedIn(session_id, self._times.session_s)

    def sign_out(self, session_id: str) -> None:
        """End the session, if it is one. Raise StateError."""
        if not _ID.fullmatch(session_id):
            return
        sessions, digest = self._state().web_sessions, _digest(session_id)
        if (found := sessions.find(digest)) is not None:
            sessions.end(digest)
            self._log.info("web.signed_out", user=found.user_name)

    def _checked(self, key: str, password: str, address: str) -> WebUser:
        """Return the user whose password it is. Raise SignInRefused."""
        # Counted before the check, so that many tries at once do not pass together.
        counted = (self._of_address, _network(address)), (self._of_user, key)
        if not all(tries.take(of) for tries, of in counted):
            raise SignInRefused(_TOO_MANY, "too many tries", status=429)
        if not self._checks.acquire(blocking=False):
            for tries, of in counted:
                tries.give_back(of)
            raise SignInRefused(_BUSY, "too many at once", status=503)
        try:
            user = self._users().get(key)
            is_right = matches(self._nobody if user is None else user.password_hash, password)
        finally:
            self._checks.release()
        if user is None or not is_right:
            raise SignInRefused(_WRONG, "unknown user" if user is None else "wrong password")
        for tries, of in counted:
            tries.give_back(of)
        return user

    def _is_on(self, session: WebSession, now: int) -> bool:
        """Return whether the session has neither expired nor been idle for too long."""
        # A shorter time in the configuration counts for sessions that began before, too.
        ends_at = min(session.expires_at, session.created_at + self._times.session_s)
        seen_at = max(session.seen_at, self._seen.get(session.id, 0))
        return now < ends_at and now - seen_at < self._times.idle_s


def _digest(session_id: str) -> bytes:
    return hashlib.sha256(session_id.encode()).digest()


def _key_of(name: str) -> str:
    """Return the name as the file has it; one key for all that cannot be a name."""
    try:
        return user_name(name)
    except ValueError:
        return ""


def _network(address: str) -> str:
    """Return what counts as one client: an IPv4 address, or a network of IPv6 (/64), of which one
    client has all addresses.
    """
    # Some proxies say the client's port, too: another connection is no other client.
    found = address_of(host_of(address))
    if found is None:
        return address[:64]
    if isinstance(found, ipaddress.IPv6Address) and not found.is_loopback:
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)
