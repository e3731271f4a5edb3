"""One pass over a job in a bucket: uploads what is complete, and commits by the receipt.

There is no rename. Each file's key has the beginning of its SHA-256 and digits of the pass, so that
two passes cannot overwrite each other's files, and a removal that a server carries out late cannot
hit what a later pass stored; nothing is in the archive before a receipt names it; and the receipt
is written only if there is none of its number. What a pass uploaded and did not commit is known by
a note, and removed by a later `sweep`.
"""

from __future__ import annotations

import json
import re
import shutil
import time
import uuid
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from sauce_janitor.archive.chains import chain
from sauce_janitor.archive.content.read_back import differs
from sauce_janitor.archive.disk.folders import shut
from sauce_janitor.archive.prune_records import read_records
from sauce_janitor.archive.receipts import LONGEST, StoredFile, receipt_name
from sauce_janitor.archive.s3.bucket import Bucket
from sauce_janitor.archive.s3.job_folder import S3Folder
from sauce_janitor.archive.s3.spool import new_folder
from sauce_janitor.archive.storage.ports import Place, ReceiptTakenError, StoreDownError
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.safety_numbers import DAY_S

PARTIAL: Final = ".partial"
_OLD_S: Final = 7 * DAY_S
"""What no receipt names is removed so long after it was written: a pass takes hours at most."""
_DIGITS: Final = 8
"""So many of the SHA-256, and as many of the pass, are in a key."""
_AHEAD: Final = 4
"""Files of a job that may wait to be sent while the next one is fetched."""
_TRIES: Final = 3
_PAUSE_S: Final = 1.0
_LARGEST_NOTE: Final = 65_536


class S3Staging:
    """One pass over a job. `fd` is a folder on this machine, removed when the block ends."""

    def __init__(
        self, bucket: Bucket, place: Place, number: int, *, word: str, pool: Executor
    ) -> None:
        self._bucket, self._place, self._number, self._pool = bucket, place, number, pool
        self._own = uuid.uuid4().hex
        self._note = f"{PARTIAL}/{place[0]}/{place[-1]}-{word}-{self._own}"
        self._uploads: dict[str, Future[None]] = {}
        self._sent: deque[Future[None]] = deque()
        self._receipt = b""
        self._has_note = self._is_shown = False
        self.fd = -1

    def __enter__(self) -> Self:
        with storage_errors("make a temporary folder"):
            self._path, self.fd = new_folder()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        for upload in self._uploads.values():
            upload.cancel()
        # An upload that runs still reads its file, and must not come after the note's removal.
        for upload in self._uploads.values():
            with suppress(BaseException):
                upload.result()
        shutil.rmtree(self._path, ignore_errors=True)
        shut(self.fd)
        # The note of a pass that failed stays: `sweep` finds by it what was uploaded.
        if self._has_note and self._is_shown:
            with suppress(OSError):
                self._bucket.remove([self._note])

    def take(self, path: str, size_bytes: int, sha256: str) -> str:
        """Upload a complete file in another thread, and return its path in the archive."""
        if not self._has_note:
            with storage_errors(f"write {self._bucket.at(self._note)}"):
                note = json.dumps({"place": self._place, "number": self._number})
                self._bucket.put(self._note, note.encode())
            self._has_note = True
        above, _, name = path.rpartition("/")
        digits = sha256[:_DIGITS] + self._own[:_DIGITS]
        # The number of the pass is in it, too: a file that was pruned does not return by its path.
        stored = (
            f"{above}/{digits}-{name}" if above else f"{name.removesuffix('.json')}-{digits}.json"
        )
        upload = self._pool.submit(self._upload, path, stored, size_bytes)
        self._uploads[stored] = upload
        # The fetch waits where the server is slower: the disk never holds a whole job.
        self._sent.append(upload)
        if len(self._sent) > _AHEAD:
            with storage_errors(f"upload files of job {self._place[-1]}"):
                self._sent.popleft().result()
        return stored

    def _upload(self, path: str, stored: str, size_bytes: int) -> None:
        file = self._path / path
        self._bucket.put_file("/".join((*self._place, stored)), file, size_bytes)
        # So that the disk holds what is being fetched and sent, and not the whole job.
        file.unlink()

    def flush(self, files: Sequence[StoredFile]) -> None:
        """Wait until these files are uploaded. Raises OSError."""
        for file in files:
            if file.file in self._uploads:
                self._uploads[file.file].result()

    def read_back(self, files: Sequence[StoredFile]) -> None:
        """Compare what the server has with what came. Raises ArchiveError where it differs."""
        folder = S3Folder(self._bucket, self._place)
        with storage_errors(f"read back job {self._place[-1]}"):
            for file, difference in zip(
                files, self._pool.map(lambda each: differs(folder, each), files), strict=True
            ):
                if difference:
                    raise ArchiveError(
                        f"{file.file} reads back differently from what was written: the server or "
                        "memory is bad"
                    )

    def write_receipt(self, name: str, data: bytes, *, rereads: bool) -> None:
        """Keep the receipt until `show` writes it."""
        del name, rereads
        self._receipt = data

    def stamps(self, files: Iterable[str]) -> Mapping[str, object]:
        """Return nothing: a file's key says what is in it."""
        del files
        return {}

    def show(self) -> None:
        """Commit: write the receipt, if there is none of its number.

        Raises ReceiptTakenError where another pass was first.
        """
        with storage_errors(f"write the receipt of job {self._place[-1]}"):
            self._commit("/".join((*self._place, receipt_name(self._number))))
        self._is_shown = True

    def _commit(self, key: str) -> None:
        for left in reversed(range(_TRIES)):
            try:
                self._bucket.add(key, self._receipt)
                return
            except FileExistsError:
                there = self._there(key)
                # The server could not decide between two writers (409), and has neither.
                if there is None and left:
                    time.sleep(_PAUSE_S)
                    continue
                raise ReceiptTakenError(
                    f"{self._bucket.at(key)} was written by another pass just now"
                ) from None
            # The answer may be lost although the receipt is written: repeating is harmless.
            except StoreDownError:
                if not left:
                    raise
                time.sleep(_PAUSE_S)

    def _there(self, key: str) -> bytes | None:
        try:
            return self._bucket.read(key, at_most=LONGEST)[0]
        except FileNotFoundError:
            return None

    def verify_shown(self, stamps: Mapping[str, object], files: Iterable[StoredFile]) -> None:
        """Raise ArchiveError unless the server has the receipt as it was written."""
        del stamps, files
        key = "/".join((*self._place, receipt_name(self._number)))
        with storage_errors(f"read back the receipt of job {self._place[-1]}"):
            there = self._there(key)
        if there != self._receipt:
            raise ArchiveError(
                f"job {self._place[-1]} is not in the archive as it was written: does another "
                "machine work there?"
            )


def sweep(bucket: Bucket, account: str) -> int:
    """Remove what passes uploaded and never committed, a week after, and return how many passes.

    Only while the account's lease is held. Raises OSError.
    """
    notes = list(bucket.below(f"{PARTIAL}/{account}"))
    # The usual case, for one request.
    if not notes:
        return 0
    swept, now = 0, _server_time(bucket, account)
    for note in notes:
        if now - note.written_at > _OLD_S and _sweep_pass(bucket, note.key, now):
            bucket.remove([note.key])
            swept += 1
    return swept


def _server_time(bucket: Bucket, account: str) -> float:
    """Return the time by the server's clock, which a new object shows."""
    key = f"{PARTIAL}/{account}/clock-{uuid.uuid4().hex}"
    bucket.put(key, b"")
    try:
        return bucket.facts(key).written_at
    finally:
        bucket.remove([key])


def _sweep_pass(bucket: Bucket, note: str, now: float) -> bool:
    """Remove the old files of a job that no receipt names; tell whether that was possible."""
    try:
        document = json.loads(bucket.read(note, at_most=_LARGEST_NOTE)[0])
        place, number = tuple(map(str, document["place"])), int(document["number"])
    # A clock that a crash left, or not a note of ours: nothing belongs to it.
    except (ValueError, KeyError, TypeError):
        return True
    # Never follow a path that this program would not have written.
    if len(place) != 6 or any("/" in part or part in {"", ".", ".."} for part in place):
        return True
    folder = S3Folder(bucket, place)
    # A list that is older than the receipt: what it names would count as never committed.
    if receipt_name(number) not in folder.names() and _has(bucket, place, number):
        return False
    try:
        receipts = chain(folder, place, folder.names())
        records = read_records(folder, place, folder.names(), receipts)
    except ArchiveError:
        # Without any receipt nothing is named; with a damaged one nobody knows what is.
        if any(name.startswith(("receipt", "pruned")) for name in folder.names()):
            return False
        receipts, records = (), ()
    known = {each.file for each in receipts} | {each.file for each in records}
    for receipt in receipts:
        known |= {file.file for file in receipt.document.files}
    prefix, own = "/".join(place), re.compile(rf"[0-9a-f]{{{_DIGITS}}}{_own_of(note)}[-.]")
    # Only of this pass: what another one stored is never touched.
    strays = [
        each.key
        for each in bucket.below(prefix)
        if own.search(each.key.rpartition("/")[2])
        and each.key.removeprefix(f"{prefix}/") not in known
        and now - each.written_at > _OLD_S
    ]
    bucket.remove(strays)
    return True


def _own_of(note: str) -> str:
    """Return the digits of the pass that wrote this note."""
    return re.escape(note.rpartition("-")[2][:_DIGITS])


def _has(bucket: Bucket, place: Place, number: int) -> bool:
    try:
        bucket.facts("/".join((*place, receipt_name(number))))
    except FileNotFoundError:
        return False
    return True
