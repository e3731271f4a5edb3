"""One prefix of a bucket: every request to the server, and its errors as OSError.

The only module that knows the client library. Keys are below the archive's prefix.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from obstore import exceptions
from obstore.store import S3Store

from sauce_janitor.archive.storage.ports import StoreDownError
from sauce_janitor.model.archive.locations import S3Location

_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,80})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,300})</Message>")
_STATUS: Final = re.compile(r"non-2xx status code: (\d{3})")
_PIECE: Final = 1024 * 1024
_PART: Final = 8 * 1024 * 1024
"""Larger files are sent in parts of this size: memory stays small."""
_PARTS_AT_ONCE: Final = 2
_KEYS_AT_ONCE: Final = 500
_ANSWER_S: Final = 60
_CONNECT_S: Final = 10
_RETRY_S: Final = 45
_RETRIES: Final = 6
_KEY_FRESH_S: Final = 300
"""Keys from a file or a command are read again so often: they may have been replaced."""


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """An object without its bytes. `written_at` is the server's clock, epoch seconds UTC."""

    key: str
    size_bytes: int
    written_at: float
    etag: str | None


@lru_cache(maxsize=16)
def bucket_at(location: S3Location) -> Bucket:
    """Return the bucket of this location; one per process, for it keeps connections."""
    return Bucket(location)


class Bucket:
    """A prefix of a bucket, for any thread. Raises OSError: StoreDownError where every request
    would fail alike.
    """

    def __init__(self, location: S3Location) -> None:
        self.location = location
        with _answers(self, ""):
            self._store = _store(location)

    def at(self, key: str = "") -> str:
        """Return the address of a key, for messages."""
        return f"{self.location}/{key}" if key else str(self.location)

    def read(self, key: str, *, at_most: int) -> tuple[bytes, str | None]:
        """Return an object's bytes and its ETag."""
        with _answers(self, key):
            found = self._store.get(self._full(key))
            if found.meta["size"] > at_most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            return bytes(found.bytes()), found.meta["e_tag"]

    def facts(self, key: str) -> ObjectFacts:
        """Return what is known of an object."""
        with _answers(self, key):
            return self._facts(self._store.head(self._full(key)))

    def pieces(self, key: str, start: int) -> tuple[int, Iterator[bytes]]:
        """Return an object's length, and its bytes from `start` on."""
        with _answers(self, key):
            options: Any = {"range": {"offset": start}} if start else None
            found = self._store.get(self._full(key), options=options)
            return found.meta["size"], self._guarded(key, iter(found.stream(min_chunk_size=_PIECE)))

    def _guarded(self, key: str, stream: Iterator[Any]) -> Iterator[bytes]:
        with _answers(self, key):
            for piece in stream:
                yield bytes(piece)

    def add(self, key: str, data: bytes) -> str | None:
        """Write a new object, and return its ETag. Raises FileExistsError where there is one.

        A repeated request whose first answer was lost finds its own bytes: that is success.
        """
        try:
            with _answers(self, key):
                return self._put(key, data, mode="create")
        except FileExistsError:
            return self._own(key, data)

    def replace(self, key: str, data: bytes, etag: str) -> str | None:
        """Replace the object that has this ETag. Raises FileExistsError where it has another."""
        try:
            with _answers(self, key):
                return self._put(key, data, mode={"e_tag": etag})
        except FileNotFoundError:
            raise FileExistsError(errno.EEXIST, f"{self.at(key)} was removed") from None
        except FileExistsError:
            return self._own(key, data)

    def put(self, key: str, data: bytes) -> str | None:
        """Write an object, whatever is there."""
        with _answers(self, key):
            return self._put(key, data)

    def put_file(self, key: str, file: Path, size_bytes: int) -> None:
        """Write an object from a file; the server compares SHA-256. Memory holds some parts."""
        with _answers(self, key):
            self._store.put(
                self._full(key),
                file,
                use_multipart=size_bytes > _PART,
                chunk_size=_PART,
                max_concurrency=_PARTS_AT_ONCE,
            )

    def below(self, prefix: str) -> Iterator[ObjectFacts]:
        """Yield all objects below a prefix, whose end is a whole name, by their keys' order."""
        with _answers(self, prefix):
            for page in self._store.list(self._full(prefix) or None, chunk_size=1000):
                yield from self._objects(page, prefix)

    def level(self, prefix: str) -> tuple[list[str], list[ObjectFacts]]:
        """Return the names of what has more below it directly below a prefix, and the objects."""
        with _answers(self, prefix):
            found = self._store.list_with_delimiter(self._full(prefix) or None)
            deeper = sorted(
                each.rstrip("/").rpartition("/")[2] for each in found["common_prefixes"]
            )
            return deeper, list(self._objects(found["objects"], prefix))

    def remove(self, keys: Sequence[str]) -> None:
        """Remove these objects. Ones already gone are fine. A bucket with versions keeps them as
        old versions.
        """
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = [self._full(key) for key in keys[start : start + _KEYS_AT_ONCE]]
            with _answers(self, keys[start]), suppress(FileNotFoundError):
                self._store.delete(some)

    def _put(self, key: str, data: bytes, **mode: Any) -> str | None:
        return self._store.put(self._full(key), data, use_multipart=False, **mode)["e_tag"]

    def _own(self, key: str, data: bytes) -> str | None:
        """Return the ETag if the object has just these bytes. Raises FileExistsError."""
        try:
            there, etag = self.read(key, at_most=len(data))
        # Larger than ours, or removed since.
        except OSError as error:
            if isinstance(error, StoreDownError):
                raise
            there, etag = b"", None
        if not data or there != data:
            raise FileExistsError(errno.EEXIST, f"{self.at(key)} exists")
        return etag

    def _full(self, key: str) -> str:
        return "/".join(part for part in (self.location.prefix, key) if part)

    def _objects(self, found: Iterable[Any], prefix: str) -> Iterator[ObjectFacts]:
        # `sauce/`, without a byte, is how consoles and some servers show an empty folder. It is no
        # object of ours, and none of anybody else's either: the prefix is empty.
        folder = self._full(prefix)
        return (self._facts(each) for each in found if each["path"] != folder)

    def _facts(self, meta: Any) -> ObjectFacts:
        key = meta["path"]
        if self.location.prefix:
            key = key.removeprefix(f"{self.location.prefix}/")
        return ObjectFacts(key, meta["size"], meta["last_modified"].timestamp(), meta["e_tag"])


def _store(location: S3Location) -> S3Store:
    endpoint = location.endpoint
    options: dict[str, Any] = {
        "virtual_hosted_style_request": endpoint is None,
        "checksum_algorithm": "SHA256",
        "conditional_put": "etag",
    }
    if endpoint is not None:
        options["endpoint"] = endpoint
    if region := location.region or ("us-east-1" if endpoint is not None else None):
        options["region"] = region
    if location.credentials is not None:
        options["credential_provider"] = _provider(location)
    plain = endpoint is not None and endpoint.startswith("http://")
    return S3Store(
        location.bucket,
        client_options={
            "allow_http": plain,
            "timeout": timedelta(seconds=_ANSWER_S),
            "connect_timeout": timedelta(seconds=_CONNECT_S),
        },
        retry_config={
            "max_retries": _RETRIES,
            "retry_timeout": timedelta(seconds=_RETRY_S),
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=10),
                "base": 2,
            },
        },
        **options,
    )


def _provider(location: S3Location) -> Any:
    assert location.credentials is not None
    read = location.credentials

    def credentials() -> dict[str, Any]:
        key, secret = read()
        until = datetime.now(UTC) + timedelta(seconds=_KEY_FRESH_S)
        return {"access_key_id": key, "secret_access_key": secret, "expires_at": until}

    return credentials


@contextmanager
def _answers(bucket: Bucket, key: str) -> Iterator[None]:
    """Turn the library's errors into OSError, with what the server said."""
    try:
        yield
    except (exceptions.AlreadyExistsError, exceptions.PreconditionError) as error:
        raise FileExistsError(errno.EEXIST, f"{bucket.at(key)} exists, or changed") from error
    except FileNotFoundError as error:
        if "NoSuchBucket" in str(error):
            raise _down(bucket, error) from error
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT)) from error
    except exceptions.BaseError as error:
        status, code = _STATUS.search(str(error)), _code(str(error))
        # Two conditional writes at once: the other one may have won.
        if status and status[1] in {"409", "412"} and code != "NoSuchBucket":
            raise FileExistsError(errno.EEXIST, f"{bucket.at(key)} is being written") from error
        raise _down(bucket, error) from error


def _code(text: str) -> str:
    found = _CODE.search(text)
    return found[1] if found else ""


_REASONS: Final = {
    "NoSuchBucket": "the bucket does not exist",
    "InvalidBucketName": "the server does not accept the bucket's name",
    "SignatureDoesNotMatch": "the secret access key is wrong",
    "InvalidAccessKeyId": "the server does not know the access key id",
    "ExpiredToken": "the credentials have expired",
    "InvalidToken": "the session token is not valid",
    "AccessDenied": "the credentials do not allow it",
    "RequestTimeTooSkewed": "this machine's clock differs too much from the server's",
    "SlowDown": "the server asks for fewer requests",
    "PermanentRedirect": "the bucket is in another region: set archive.region",
    "AuthorizationHeaderMalformed": "the region is wrong: set archive.region",
}


def _down(bucket: Bucket, error: Exception) -> StoreDownError:
    text = str(error)
    code, message, status = _code(text), _MESSAGE.search(text), _STATUS.search(text)
    reason = _REASONS.get(code, "")
    parts = [reason] if reason else []
    if code or status:
        said = " ".join(
            filter(None, (status[1] if status else "", code, f"({message[1]})" if message else ""))
        )
        parts.append(f"the server answered {said}")
    elif not reason:
        # No answer at all: the first line says which request failed, the rest is for debuggers.
        parts.append(_first_line(text, bucket))
    return StoreDownError("; ".join(parts))


def _first_line(text: str, bucket: Bucket) -> str:
    line = text.partition("\n")[0].strip()
    where = bucket.location.endpoint or "AWS"
    if "error sending request" in line or "HTTP error" in line:
        return f"{where} does not answer"
    if "redential" in text or "instance" in text.lower():
        return f"there are no usable credentials ({line[:200]})"
    return line[:300]
