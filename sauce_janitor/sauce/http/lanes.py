"""The short way to a file's bytes: http.client on connections of the same pools.

The layers of requests and urllib3 cost four times the CPU of the exchange itself, and assets come
by the hundred a job. So here they are left out, and only they: the connections are those that the
pools make, with their TLS settings, pass the same edge (what may be sent, how long and how much an
answer may be), and nothing is retried, redirected or decoded here either.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPHeaderDict
from urllib3.connectionpool import HTTPConnectionPool

from sauce_janitor.sauce.http.guarded_connection import GuardedConnection

_TARGET: Final = re.compile(r"/[!-~]*")


def is_sent_as_it_is(target: str) -> bool:
    """Whether nobody on the way would take the target for another one: visible ASCII, no dot
    segments.
    """
    path = target.partition("?")[0]
    return (
        _TARGET.fullmatch(target) is not None
        and "#" not in target
        and "\\" not in target
        and not any(unquote(segment) in {".", ".."} for segment in path.split("/"))
    )


class Lanes:
    """One account's short ways, for any number of threads; whoever closes the session's pools
    closes them.
    """

    def __init__(self, session: requests.Session, verify: str | bool) -> None:  # noqa: FBT001 - as in requests
        self._session = session
        self._verify = verify
        self._pools: dict[str, HTTPConnectionPool] = {}

    def get(
        self, origin: str, target: str, headers: Mapping[str, str], waits: tuple[float, float]
    ) -> LaneAnswer:
        """Send a GET, read the answer's header. `waits` are seconds for the connect and for
        sending.

        Raises what urllib3 and http.client raise, and what the edge does.
        """
        pool = self._pools.get(origin) or self._pool(origin)
        connection = pool._get_conn()  # noqa: SLF001 - the pool's only door to a connection as such
        assert isinstance(connection, GuardedConnection)
        try:
            connection.timeout = waits[0]
            connection.putrequest("GET", target, skip_accept_encoding=True)
            assert connection.sock is not None
            connection.sock.settimeout(waits[1])
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
            return LaneAnswer(connection.plain_response(), pool, connection)
        # Whatever happened: a connection with an answer on its way would hand it to the next
        # request. It is closed, and the error raised again.
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close every idle connection; one that is given back later is closed then."""
        for pool in self._pools.values():
            pool.close()

    def _pool(self, origin: str) -> HTTPConnectionPool:
        adapter = self._session.get_adapter(origin)
        assert isinstance(adapter, HTTPAdapter)
        request = requests.Request("GET", origin + "/").prepare()
        pool = adapter.get_connection_with_tls_context(request, self._verify, proxies={})
        assert isinstance(pool, HTTPConnectionPool)
        adapter.cert_verify(pool, origin, self._verify, None)  # type: ignore[no-untyped-call]  # requests has no types here
        self._pools[origin] = pool
        return pool


class LaneAnswer:
    """An answer whose body is read as it comes over the wire; looks like those of requests where
    that is asked of it.
    """

    def __init__(
        self,
        response: http.client.HTTPResponse,
        pool: HTTPConnectionPool,
        connection: GuardedConnection,
    ) -> None:
        self._response, self._pool, self._connection = response, pool, connection
        self._is_open = True
        self.status_code = response.status
        self.headers: Mapping[str, str] = HTTPHeaderDict(response.msg.items())
        self.chunked: bool = response.chunked

    @property
    def raw(self) -> LaneAnswer:
        """The bytes below the answer."""
        return self

    def read(self, amt: int, decode_content: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - as in urllib3
        """Up to so many bytes of the body, fewer only at its end; b"" then. OSError and
        HTTPException when it breaks off.
        """
        return self._response.read(amt)

    def close(self) -> None:
        """Give the connection back; one with an unread rest is closed."""
        if self._is_open:
            self._is_open = False
            if not self._response.isclosed():
                self._response.close()
                self._connection.close()
            self._pool._put_conn(self._connection)  # noqa: SLF001 - as it came
