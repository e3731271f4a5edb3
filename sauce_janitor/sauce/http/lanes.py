"""Reads a file's bytes directly: http.client on connections of the same pools.

The layers of requests and urllib3 cost four times the CPU of the exchange itself, and a job may
have hundreds of assets. So only those layers are left out. The connections are those that the pools
make, with their TLS settings; they pass the same guard (what may be sent, how long and how large an
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
    """Tell whether nothing on the way changes the target: visible ASCII, no dot segments."""
    path = target.partition("?")[0]
    return (
        _TARGET.fullmatch(target) is not None
        and "#" not in target
        and "\\" not in target
        and not any(unquote(segment) in {".", ".."} for segment in path.split("/"))
    )


class Lanes:
    """One account's direct connections, for any number of threads.

    Closing the session's pools closes them.
    """

    def __init__(self, session: requests.Session, verify: str | bool) -> None:  # noqa: FBT001 - as in requests
        self._session = session
        self._verify = verify
        self._pools: dict[str, HTTPConnectionPool] = {}

    def get(
        self, origin: str, target: str, headers: Mapping[str, str], waits: tuple[float, float]
    ) -> LaneAnswer:
        """Send a GET and read the answer's header. `waits` are seconds for the connect and for
        sending.

        Raises what urllib3, http.client and the guard raise.
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
    """An answer whose body is read as it comes over the wire, with the attributes of requests'
    answers.
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
        """Return the bytes below the answer."""
        return self

    def read(self, amt: int, decode_content: bool = False) -> Any:  # noqa: ARG002, FBT001, FBT002 - as in urllib3
        """Return up to so many bytes of the body, fewer only at its end, then b"".

        Raises OSError and HTTPException when it breaks off.
        """
        return self._response.read(amt)

    def close(self) -> None:
        """Give the connection back; close one with unread bytes."""
        if self._is_open:
            self._is_open = False
            if not self._response.isclosed():
                self._response.close()
                self._connection.close()
            self._pool._put_conn(self._connection)  # noqa: SLF001 - as it came
