"""A process whose N-th call about a file fails, or kills it: forked for each N, so that the imports
are paid once.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from pathlib import Path

from sauce_janitor.errors import JanitorError
from sauce_janitor.state import State

DEEDS = {"count": 0, "kill": 1, "fail": 2, "fail on": 3}


def _open_struck(folder: Path, order: dict[str, int | str]) -> None:
    """In the child: open the state, struck; write what came of it to the descriptor 1, and end."""
    library = ctypes.CDLL(os.environ["LD_PRELOAD"])
    said = "done"
    library.arm(
        str(folder).encode(), int(order["at"]), DEEDS[str(order["deed"])], int(order["errno"])
    )
    try:
        State.open(folder / "kept" / "state.db").close()
    except JanitorError as error:
        said = f"{type(error).__name__}: {error}"
    except BaseException as error:  # noqa: BLE001 - told to the test
        said = f"traceback: {error!r}"
    library.disarm()
    told = {"said": said, "calls": library.counted(), "fired": library.has_fired()}
    os.write(1, (json.dumps(told) + "\n").encode())
    os._exit(0)


def main() -> None:
    # one whole opening, unstruck, so that every later import is there before the forks
    State.open(Path(sys.argv[1]) / "warm" / "state.db").close()
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            _open_struck(Path(order["folder"]), order)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            os.write(1, b'{"said": "killed", "calls": 0, "fired": 1}\n')


if __name__ == "__main__":
    main()
