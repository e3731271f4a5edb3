"""Free ports, and waiting for who answers there."""

from __future__ import annotations

import socket
import time
import urllib.error
import urllib.request


def until_answers(url: str, *, token: str = "", containing: str = "", timeout_s: float = 60) -> int:
    """The status of the first answer that is no connection error (nor 503, nor without the text),
    however slow the machine.
    """
    request = urllib.request.Request(
        url, headers={"Authorization": f"Bearer {token}"} if token else {}
    )
    seen: object = None
    give_up = time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                seen = answer.read().decode()
                if containing in str(seen):
                    status: int = answer.status
                    return status
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 503:
                    return error.code
                seen = error.read()
        except OSError as error:
            seen = error
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer as it should: {str(seen)[-500:]}")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
