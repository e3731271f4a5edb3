"""A lock between processes on one state's file. It is free as soon as its holder dies."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from sauce_janitor.errors import StateError


class ManualLock:
    """The lock of one account for commands by hand: a file beside the state at `path`."""

    def __init__(self, path: Path, account: str) -> None:
        # Late: commands that read do not load the library.
        from filelock import FileLock

        state = path.resolve()
        self._lock = FileLock(
            state.with_name(f"{state.name}.hand-{quote(account, safe='')}"),
            mode=0o600,
            fallback_to_soft=False,
        )

    def acquire(self, wait_s: float) -> bool:
        """Take the lock; return False where it was not free so long. Raise StateError where the
        file system has no locks.
        """
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=wait_s)
        except Timeout:
            return False
        # NotImplementedError: this system has no flock.
        except (OSError, NotImplementedError) as error:
            why = getattr(error, "strerror", None) or error
            raise StateError(
                f"the lock {self._lock.lock_file} cannot be used ({why}): keep the state on a local"
                " file system with locks"
            ) from error
        return True

    def release(self) -> None:
        """Release the lock."""
        # It ends with the process in any case.
        with suppress(OSError):
            self._lock.release()
