"""An account's lease on an archive: one run, of one state, on one machine, writes there at a time.

In the archive's root there are a lock file, free the moment its holder dies, and a record with a
number that only grows and a random word. The state remembers the word. A copy of the state (a
cloned machine, a restored backup) has an old word once the other copy has worked, and is refused.
Where locks do not reach every machine (NFS, a file system without flock), the holder rewrites the
record every 15 s, and the lease is free only after 90 s without a write. A run that finds another
word in the record than the one it wrote last has lost the lease, and neither commits nor deletes
any more.

The record also says where the account's journal ended: a state whose journal lacks that line lost
its newest lines, and is refused.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from sauce_janitor.archive.disk.folders import shut
from sauce_janitor.archive.ownership.lease_records import (
    LEASE_FILE,
    LOCK,
    LeaseRecord,
    behind,
    boot_id,
    read_lease,
    stale,
    tidy_leases,
    write_lease,
)
from sauce_janitor.archive.ownership.owner import claim
from sauce_janitor.archive.storage.names import folder_name
from sauce_janitor.archive.storage.ports import Store
from sauce_janitor.archive.storage.storage_errors import storage_errors
from sauce_janitor.clock import CLOCK
from sauce_janitor.errors import ArchiveError, LeaseError, RefusedError, StateError
from sauce_janitor.model.permits import HeldLease

BEAT_S: Final = 15.0
"""How often a holder shows that it is alive, where no lock does."""
SILENT_S: Final = 90.0
"""After so long without a sign of life, a holder on another machine counts as dead."""


class LeaseMemory(Protocol):
    """What the state remembers of a lease, by the archive's uuid and the account.

    It is the words that the state wrote or was about to write.
    """

    def read(self, archive: str, account: str, /) -> tuple[str, ...]:
        """Return the words, () where there are none."""

    def write(self, archive: str, account: str, words: tuple[str, ...], /) -> None:
        """Replace the words."""

    def journal_end(self, account: str, /) -> str:
        """Return the number and hash of the newest line of the account's journal, "" for none."""

    def has_journal(self, account: str, end: str, /) -> bool:
        """Return whether the account's journal has the line that was once its end."""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """Who asks for the lease: the state's id and memory, and the run. Without a run no lease is
    taken.

    `adopts` takes the archive over, whoever had it. `is_alone`: the run has the account's lease in
    a state on a server, so no other run of that state works, on any machine.
    """

    instance: str
    memory: LeaseMemory
    run_id: str = ""
    adopts: bool = False
    now: Callable[[], float] = time.time
    is_alone: bool = False


class ArchiveLease(HeldLease):
    """An account's lease on an archive.

    Raises RefusedError when the archive belongs to another state, or this state is an old copy;
    LeaseError when another run holds the lease, or this one has lost it.
    """

    def __init__(self, root: Store, account: str, holder: LeaseHolder) -> None:
        self._root, self._account, self._holder = root, account, holder
        self._name = LEASE_FILE + folder_name(account)
        self._record: LeaseRecord | None = None
        self._dead: str | None = None
        self._lock_file = -1
        self._has_lock = self._is_local = False
        self._lock = threading.Lock()
        self._beat_at = 0.0
        self._beats: threading.Thread | None = None
        self._ended = threading.Event()

    @property
    def word(self) -> str:
        """Return the word of this lease; what this run stages carries it in its name."""
        assert self._record is not None
        return self._record.word

    @property
    def fence(self) -> int:
        """Return the number of this lease."""
        assert self._record is not None
        return self._record.fence

    def is_dead(self, word: str) -> bool:
        """Tell whether the run that held the lease by this word has surely ended.

        With locks that reach everybody, all earlier runs have ended. Otherwise only the last one
        has, if it released the lease or its lock on this machine is free: a machine may be frozen
        for longer than 90 s.
        """
        return word != self.word and (self._locks_bind_all or word == self._dead)

    @property
    def _locks_bind_all(self) -> bool:
        return self._has_lock and self._is_local

    def acquire(self) -> None:
        """Take the lease, without waiting."""
        if not self._holder.adopts:
            claim(self._root, self._holder.instance, at=int(self._holder.now()))
        self._take_lock()
        try:
            self._take()
        # Whatever happened, release the lock. The error is raised again.
        except BaseException:
            self._unlock()
            raise
        # Other machines do not see the lock, so they must see signs of life.
        if not self._locks_bind_all:
            self._beats = threading.Thread(
                target=self._keep_beating, name="archive-lease", daemon=True
            )
            self._beats.start()

    def check(self) -> None:
        """Raise LeaseError unless this run still holds it: the record is as this run wrote it
        last.
        """
        with self._lock:
            self._check()
            # The thread is late, as after a suspension: this clock goes on meanwhile. Show a sign
            # of life before any work.
            if not self._locks_bind_all and CLOCK.monotonic() - self._beat_at > SILENT_S / 2:
                self._write_beat()

    def release(self) -> None:
        """Release the lease; do nothing when it is lost or was never taken."""
        self._ended.set()
        end = self._journal_end()
        if self._beats is not None:
            self._beats.join()
        # An error changes nothing for the next run: it finds the lock free, or waits until the
        # silence is long enough.
        with self._lock, suppress(ArchiveError, LeaseError):
            if self._record is not None:
                self._check()
                self._write(replace(self._record, released=True, journal=end))
        self._record = None
        self._unlock()

    # --- taking it --------------------------------------------------------------------------------

    def _take_lock(self) -> None:
        self._is_local = self._root.locks_reach_all
        with storage_errors(f"use the lock {self._root.at(self._name)}{LOCK}", of_all=True):
            try:
                # Without locks the record alone decides, see `_refuse_live_holder`.
                self._lock_file = self._root.lock(self._name + LOCK)
            except BlockingIOError as taken:
                raise LeaseError(self._taken_by(read_lease(self._root, self._account))) from taken
        self._has_lock = self._lock_file >= 0

    def _unlock(self) -> None:
        if self._lock_file >= 0:
            shut(self._lock_file)
        self._lock_file, self._has_lock = -1, False

    def _take(self) -> None:
        holder, found = self._holder, read_lease(self._root, self._account)
        if found is not None:
            known = holder.memory.read(self._root.uuid, self._account)
            # The last run was one of this state, and is over: it has waited for that already.
            is_over = holder.is_alone and found.word in known
            if not is_over or found.released:
                self._refuse_live_holder(found)
            # Any other word than those that we remember was written by another copy of the state.
            if not holder.adopts and found.word not in known:
                raise RefusedError(stale(self._root.at(), self._account, found))
            # The state may know the word and lack what was written after it: a backup that was made
            # during that run, or a server that lost its newest transactions.
            if not holder.adopts and not holder.memory.has_journal(self._account, found.journal):
                raise RefusedError(behind(self._root.at(), self._account, found))
        record = LeaseRecord(
            account=self._account,
            instance=holder.instance,
            fence=found.fence + 1 if found else 1,
            word=secrets.token_hex(8),
            run_id=holder.run_id,
            host=socket.gethostname(),
            boot=boot_id(),
            pid=os.getpid(),
            since=int(holder.now()),
            journal=holder.memory.journal_end(self._account),
        )
        tidy_leases(self._root, self._account)
        # The state stores the word before the archive does: after a crash in between, the record
        # has one of the two words that the state knows.
        before = (found.word,) if found else ()
        holder.memory.write(self._root.uuid, self._account, (*before, record.word))
        self._write(record)
        holder.memory.write(self._root.uuid, self._account, (record.word,))

    def _refuse_live_holder(self, found: LeaseRecord) -> None:
        # We hold the lock, so a holder on this machine has ended, or one anywhere if locks reach.
        is_ours = self._has_lock and (self._is_local or found.boot == boot_id())
        # The earlier holder cannot be working any more.
        if found.released or is_ours:
            self._dead = found.word
            return
        silent_s = self._silence()
        if silent_s < SILENT_S:
            raise LeaseError(
                f"{self._taken_by(found)}. It renewed the lease {max(0, silent_s):.0f} s ago. "
                "Locks do not work between machines here, so the lease is free after "
                f"{SILENT_S:.0f} s without a renewal"
            )

    def _silence(self) -> float:
        """Return how old the record is in seconds, by the clock of whoever stores it."""
        with storage_errors(f"look at {self._root.at(self._name)}", of_all=True):
            return self._root.age_s(self._name, self._name + LOCK)

    def _taken_by(self, found: LeaseRecord | None) -> str:
        who = f": {found}" if found is not None and not found.released else ""
        return f"another run works on account {self._account} in the archive {self._root.at()}{who}"

    # --- holding it -------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._record is None or read_lease(self._root, self._account) != self._record:
            raise LeaseError(
                f"this run has lost the lease on account {self._account} in the archive "
                f"{self._root.at()}: another machine or another copy of the state works there"
            )

    def _write(self, record: LeaseRecord) -> None:
        try:
            write_lease(self._root, record)
        # Where the store compares: somebody wrote the record since we read it.
        except FileExistsError as taken:
            raise LeaseError(self._taken_by(read_lease(self._root, self._account))) from taken
        self._record, self._beat_at = record, CLOCK.monotonic()

    def _write_beat(self, journal: str | None = None) -> None:
        assert self._record is not None
        end = self._record.journal if journal is None else journal
        self._write(replace(self._record, beat=self._record.beat + 1, journal=end))

    def _keep_beating(self) -> None:
        while not self._ended.wait(BEAT_S):
            # Before the lock: the state may answer late.
            end = self._journal_end()
            # `check` raises the same error in the thread that works.
            with self._lock, suppress(ArchiveError, LeaseError):
                self._check()
                self._write_beat(end)

    def _journal_end(self) -> str:
        """Return where the account's journal ends now; where it ended last, while the state does
        not answer.
        """
        # Not taken, or released already: the state may be closed.
        if self._record is None:
            return ""
        last = self._record.journal
        memory = self._holder.memory
        # The lease must be released although the state does not answer. An older end is right, too.
        with suppress(StateError, RefusedError):
            # A server that took over meanwhile may have lost that line: the next run must notice.
            if memory.has_journal(self._account, last):
                return memory.journal_end(self._account)
        return last
