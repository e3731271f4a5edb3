"""One strike at one system call of a process: killed, failed, shortened or frozen there. The
library is strike.c.
"""

from __future__ import annotations

import errno
import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path
from typing import Final

SOURCE: Final = Path(__file__).with_name("strike.c")
_ORDERS: Final = struct.Struct("=26q")
_ANSWERS: Final = struct.Struct("=5q")
_ROOT: Final = _ORDERS.size + _ANSWERS.size
_STRUCK: Final = _ROOT + 512
_LENGTH: Final = 4096
_CLOCKS: Final = 3
_SECOND: Final = 1_000_000_000


class Call(IntFlag):
    """The kinds of calls that are counted; the numbers are those of strike.c."""

    CREATE = 1
    OPEN = 2
    READ = 4
    WRITE = 8
    SYNC = 16
    RENAME = 32
    LINK = 64
    UNLINK = 128
    MKDIR = 256
    TRUNCATE = 512
    CLOSE = 1024
    LOCK = 2048
    LIST = 4096
    SPACE = 8192
    STAT = 16384
    CONNECT = 32768
    SEND = 65536
    RECEIVE = 131072
    MODE = 262144


CHANGING: Final = (
    Call.CREATE
    | Call.WRITE
    | Call.SYNC
    | Call.RENAME
    | Call.LINK
    | Call.UNLINK
    | Call.MKDIR
    | Call.TRUNCATE
)
"""Calls after which a disk holds something else. Killed before one of these is killed after the one
before it.
"""
NETWORK: Final = Call.CONNECT | Call.SEND | Call.RECEIVE
FILES: Final = (
    CHANGING | Call.OPEN | Call.READ | Call.CLOSE | Call.LOCK | Call.LIST | Call.SPACE | Call.MODE
)
ERRORS: Final = {
    Call.CREATE: (errno.ENOSPC, errno.EMFILE, errno.EROFS, errno.EIO, errno.EACCES),
    Call.OPEN: (errno.EMFILE, errno.EIO, errno.EACCES, errno.ENFILE),
    Call.READ: (errno.EIO, errno.ESTALE),
    Call.WRITE: (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS),
    Call.SYNC: (errno.EIO, errno.ENOSPC),
    Call.RENAME: (errno.EIO, errno.ENOSPC, errno.EROFS),
    Call.LINK: (errno.EIO, errno.ENOSPC, errno.EMLINK),
    Call.UNLINK: (errno.EIO, errno.EROFS, errno.EACCES),
    Call.MKDIR: (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMLINK),
    Call.TRUNCATE: (errno.EIO, errno.ENOSPC),
    Call.CLOSE: (errno.EIO, errno.ENOSPC),
    Call.LOCK: (errno.ENOLCK, errno.EIO),
    Call.LIST: (errno.EIO, errno.EMFILE),
    Call.SPACE: (errno.EIO,),
    Call.MODE: (errno.EPERM, errno.EROFS),
}
"""What each kind of call may fail with."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What to do at which call: `deed` is kill, fail, fail_on (this and all later ones), shorten or
    freeze.

    `turn` picks, among the errors that a kind of call may fail with, the one that it fails with.
    """

    deed: str
    at: int
    calls: Call
    turn: int = 0

    @property
    def errors(self) -> list[int]:
        """The error of each kind of call, by the number of its bit."""
        return [
            0 if kind not in ERRORS else ERRORS[kind][self.turn % len(ERRORS[kind])]
            for kind in Call
        ]


_DEEDS: Final = ("nothing", "kill", "fail", "fail_on", "shorten", "freeze")


class Page:
    """The memory shared with the struck process."""

    def __init__(self, path: Path, root: Path, strike: Strike | None, later_s: float = 0) -> None:
        path.write_bytes(bytes(_LENGTH))
        self.path = path
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _LENGTH)
        name = os.fsencode(root) + b"/"
        self._memory[_ROOT : _ROOT + len(name)] = name
        given = strike or Strike("nothing", 0, CHANGING | NETWORK)
        errors = given.errors
        self._orders = [int(given.calls), given.at, _DEEDS.index(given.deed), 0, 0, 0]
        self._orders += errors + [0] * (20 - len(errors))
        self.pass_time(later_s)

    def pass_time(self, seconds: float, *, suspended: bool = False) -> None:
        """Move the process' clocks on; `suspended`: as while a machine sleeps, the monotonic clock
        stands still.
        """
        shift = int(seconds * _SECOND)
        self._orders[_CLOCKS] += shift
        self._orders[_CLOCKS + 1] += 0 if suspended else shift
        self._orders[_CLOCKS + 2] += shift
        self._memory[: _ORDERS.size] = _ORDERS.pack(*self._orders)

    @property
    def later_s(self) -> float:
        """How far the process' wall clock is ahead of this machine's."""
        return self._orders[_CLOCKS] / _SECOND

    @property
    def _answers(self) -> tuple[int, ...]:
        return _ANSWERS.unpack(self._memory[_ORDERS.size : _ORDERS.size + _ANSWERS.size])

    @property
    def calls(self) -> int:
        """How many calls were counted."""
        return self._answers[0]

    @property
    def fired(self) -> int:
        """How many were struck."""
        return self._answers[1]

    @property
    def is_frozen(self) -> bool:
        """Whether the process stands still at the struck call."""
        return bool(self._answers[2])

    def thaw(self) -> None:
        """Let the process go on after a SIGCONT."""
        place = _ORDERS.size + 16
        self._memory[place : place + 8] = bytes(8)

    @property
    def kind(self) -> Call:
        """The kind of the struck call."""
        return Call(self._answers[3])

    @property
    def error(self) -> str:
        """What the struck call failed with, by its name; "" where it did not."""
        return errno.errorcode.get(self._answers[4], "")

    @property
    def struck(self) -> str:
        """The struck call's name and what it was about."""
        return self._memory[_STRUCK : _STRUCK + 512].split(b"\0", 1)[0].decode(errors="replace")

    def close(self) -> None:
        """Forget it."""
        self._memory.close()
        self.path.unlink(missing_ok=True)


class CompilerMissingError(Exception):
    """There is no C compiler: no system call can be struck."""


@contextmanager
def library(folder: Path) -> Iterator[Path]:
    """The compiled library. Raises CompilerMissingError without a C compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise CompilerMissingError("cc is not installed: .ci/components installs it")
    made = folder / "strike.so"
    subprocess.run(
        [compiler, "-O2", "-shared", "-fPIC", "-Wall", "-o", made, SOURCE, "-ldl"], check=True
    )
    yield made
