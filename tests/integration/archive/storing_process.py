"""A process that stores jobs and may be killed: run by the tests, never by itself.

`storing_process.py once ROOT [FILE_LIMIT [MEGABYTES]]` stores one job and prints what came of it.
`storing_process.py kill ROOT WIDTH STEP` copies ROOT for every STEP-th disk call of a pass and
kills a child right before that call; WIDTH is what of the job is asked for (`video` or `all`).
Prints the first of these numbers that is not below the number of calls: its child was not killed.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from sauce_janitor.archive import Archive, DiskReserve, StoreOrigin, WriteSettings
from sauce_janitor.errors import ArchiveError
from sauce_janitor.model.assets import Selection
from tests.fakes.asset_shelf import HAR, LOG, MP4, PNG, AssetShelf, ShelfBody, document

ASSETS: dict[str, bytes | ShelfBody | list[bytes | ShelfBody]] = {
    "video.mp4": MP4,
    "log.json": LOG,
    "network.har": HAR,
    "0000screenshot.png": PNG,
    "0001screenshot.png": PNG,
}
ROOMY = WriteSettings(min_free=DiskReserve(percent=0))
CALLS = ("mkdir", "open", "write", "close", "fsync", "rename", "unlink", "link")


def store(
    root: Path,
    width: str,
    assets: dict[str, bytes | ShelfBody | list[bytes | ShelfBody]] | None = None,
) -> str:
    shelf = AssetShelf(assets or dict(ASSETS))
    selection = Selection(frozenset({width}), discard_rest=True)
    with Archive.open(
        root, account="eu", known_uuid=None, settings=ROOMY, now=lambda: 1_770_000_000.0
    ) as archive:
        archive.sweep()
        origin = StoreOrigin("nightly", "run-1", "https://api.example.com")
        return archive.store(
            document(state=width), shelf.listing, selection, shelf.fetch, origin
        ).sha256


def once(root: Path, file_limit: int, megabytes: int) -> None:
    assets = dict(ASSETS)
    if megabytes:
        piece = bytes(1024 * 1024)
        assets["big.bin"] = ShelfBody([piece] * megabytes)
    if file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (file_limit, file_limit))
    try:
        store(root, "all", assets)
    except ArchiveError as wrong:
        print(f"{type(wrong).__name__}: {wrong}")
    else:
        print("stored", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def killed_before(last: int, root: Path, width: str) -> bool:
    child = os.fork()
    if child == 0:
        left = last

        def counting(call: Callable[..., Any]) -> Callable[..., Any]:
            def counted(*arguments: Any, **named: Any) -> Any:
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return call(*arguments, **named)

            return counted

        for name in CALLS:
            setattr(os, name, counting(getattr(os, name)))
        store(root, width)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, f"the child failed at call {last}"
    return os.WIFSIGNALED(status)


def kill(base: Path, width: str, step: int) -> None:
    last = 0
    while True:
        root = base.with_name(f"{base.name}-{last}")
        if base.exists():
            shutil.copytree(base, root)
        if not killed_before(last, root, width):
            print(last)
            return
        last += step


if __name__ == "__main__":
    what, place, *rest = sys.argv[1:]
    if what == "once":
        once(Path(place), *(int(number) for number in [*rest, "0", "0"][:2]))
    else:
        kill(Path(place), rest[0], int(rest[1]))
