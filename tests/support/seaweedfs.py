"""A real S3 server (SeaweedFS), started once for each process of tests, and a prefix for each test
that needs one.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from itertools import count
from pathlib import Path

from sauce_janitor.model.archive.locations import S3Location

KEY, SECRET = "test-key", "test-secret"
BUCKET = "archives"
_ROOMY = os.environ.get("PYTEST_DEBUG_TEMPROOT")


def _free_port() -> int:
    """A free port whose number and 10,000 more is free, too: SeaweedFS listens there for gRPC."""
    while True:
        port = secrets.randbelow(20_000) + 20_000
        with socket.socket() as plain, socket.socket() as grpc:
            try:
                plain.bind(("127.0.0.1", port))
                grpc.bind(("127.0.0.1", port + 10_000))
            except OSError:
                continue
            return port


class Seaweedfs:
    """A server in a folder of its own, on loopback, with a bucket. Close it."""

    def __init__(self, component: Callable[[str], Path]) -> None:
        self._program = str(component("weed"))
        self._numbers = count(1)
        for left in (2, 1, 0):
            self._start()
            try:
                self.make_bucket(BUCKET, patience_s=60)
                return
            except BaseException as error:
                log = (self._folder / "log").read_text(errors="replace")[-3000:]
                self.close()
                # Another process took one of the ports since they were looked for.
                if not left or not isinstance(error, urllib.error.URLError):
                    raise AssertionError(f"SeaweedFS did not start: {log}") from error

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="seaweedfs-", dir=_ROOMY))
        self.port = _free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        arguments = [
            self._program, "-logtostderr=true", "mini", f"-dir={self._folder / 'data'}",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-admin.ui=false", "-webdav=false",
            f"-master.port={_free_port()}", f"-volume.port={_free_port()}",
            f"-filer.port={_free_port()}", f"-s3.port={self.port}", "-s3.port.iceberg=0",
            "-s3.port.lance=0", f"-admin.port={_free_port()}", "-master.telemetry=false",
        ]  # fmt: skip
        environment = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        (self._folder / "data").mkdir()
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                arguments, env=os.environ | environment, stdout=log, stderr=log
            )

    def location(
        self, prefix: str = "", *, bucket: str = BUCKET, secret: str = SECRET
    ) -> S3Location:
        """A prefix that no other test uses."""
        own = prefix or f"test-{os.getpid()}-{next(self._numbers)}"
        return S3Location(bucket, own, self.endpoint, credentials=lambda: (KEY, secret))

    def make_bucket(self, name: str, *, patience_s: float = 10, **headers: str) -> None:
        until = time.monotonic() + patience_s
        while True:
            try:
                self.request(
                    "PUT",
                    f"/{name}",
                    headers={key.replace("_", "-"): value for key, value in headers.items()},
                )
                return
            except urllib.error.URLError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: str = "",
        headers: dict[str, str] | None = None,
    ) -> bytes:
        """Sends a signed request (AWS Signature Version 4); raises HTTPError."""
        now = dt.datetime.now(dt.UTC)
        day, at = now.strftime("%Y%m%d"), now.strftime("%Y%m%dT%H%M%SZ")
        digest = hashlib.sha256(body).hexdigest()
        signed = {
            "host": f"127.0.0.1:{self.port}",
            "x-amz-content-sha256": digest,
            "x-amz-date": at,
            **(headers or {}),
        }
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        canonical = "\n".join((method, path, query, lines, names, digest))
        scope = f"{day}/us-east-1/s3/aws4_request"
        to_sign = "\n".join(
            ("AWS4-HMAC-SHA256", at, scope, hashlib.sha256(canonical.encode()).hexdigest())
        )
        key = f"AWS4{SECRET}".encode()
        for part in (day, "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        signed["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={KEY}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        del signed["host"]
        address = f"{self.endpoint}{path}" + (f"?{query}" if query else "")
        sent = urllib.request.Request(address, body or None, signed, method=method)
        with urllib.request.urlopen(sent, timeout=30) as answer:
            return bytes(answer.read())

    def close(self) -> None:
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)
