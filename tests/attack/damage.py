"""States and archives that were damaged, lost or put back, and two janitors at once: what must not
follow from it.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from sauce_janitor.errors import JanitorError
from tests.attack.strikes import CHANGING, NETWORK, Call, Strike
from tests.attack.sweeps import Tally, finish
from tests.attack.world import End, ViolationError, World, Worlds

Deed = Callable[[random.Random, World], None]
_PATIENCE_S: Final = 8.0


# --- a state --------------------------------------------------------------------------------------


def _files(world: World) -> list[Path]:
    """The state's files that hold what it knows."""
    return [
        path
        for path in (world.state, Path(f"{world.state}-wal"))
        if path.exists() and path.stat().st_size
    ]


def cut(chance: random.Random, world: World) -> None:
    """A part of a file is gone."""
    path = chance.choice(_files(world))
    with path.open("r+b") as file:
        file.truncate(int(path.stat().st_size * chance.random()))


def flip(chance: random.Random, world: World) -> None:
    """Bits are others, in 1 to 20 places."""
    path = chance.choice(_files(world))
    data = bytearray(path.read_bytes())
    for _ in range(chance.choice((1, 3, 20))):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def blank(chance: random.Random, world: World) -> None:
    """One page is zeros."""
    path = chance.choice(_files(world))
    with path.open("r+b") as file:
        file.seek(chance.randrange(max(1, path.stat().st_size // 4096)) * 4096)
        file.write(bytes(4096))


def delete(chance: random.Random, world: World) -> None:
    """The state is gone, with all beside it or alone."""
    for path in world.folder.glob("state.db*" if chance.random() < 0.5 else "state.db"):
        path.unlink()


def roll_back(chance: random.Random, world: World) -> None:
    """An older copy is put back."""
    for path in world.folder.glob("state.db*"):
        path.unlink()
    for path in (world.folder / "older").iterdir():
        shutil.copy2(path, world.folder / path.name)


STATES: Final[dict[str, Deed]] = {
    each.__name__: each for each in (cut, flip, blank, delete, roll_back)
}


def damaged_state(worlds: Worlds, tally: Tally, seed: int) -> None:
    """Killed on the way, then the state is damaged: the next run refuses it, or does nothing that
    is not covered.

    Where it refused, the good copy is put back, and all comes to its end.
    """
    chance = random.Random(seed)
    name = sorted(STATES)[seed % len(STATES)]
    end = worlds.end(seed % 2)
    with worlds.world(seed % 2) as world:
        world.run("plan")
        _copy(world, "older")
        world.run(strike=Strike("kill", chance.randint(300, 1000), CHANGING | NETWORK))
        _copy(world, "newest")
        STATES[name](chance, world)
        before = world.oracle.writes
        process = world.run()
        tally.damages += 1
        said = f"damage {seed}: state {name}, ended {process.code}"
        if process.code and world.oracle.writes == before:
            _put_back(world, "newest")
            _ends(world, tally, said, end)
        elif world.oracle.wrong:
            tally.violations.append("\n".join([said, *world.oracle.wrong]))


def _copy(world: World, name: str) -> None:
    """A copy of the state as it is, taken while nobody uses it."""
    target = world.folder / name
    target.mkdir()
    for path in world.folder.glob("state.db*"):
        shutil.copy2(path, target / path.name)


def _put_back(world: World, name: str) -> None:
    for path in world.folder.glob("state.db*"):
        path.unlink()
    for path in (world.folder / name).iterdir():
        shutil.copy2(path, world.folder / path.name)


# --- an archive -----------------------------------------------------------------------------------


def _stored(world: World) -> list[Path]:
    return sorted(
        path for path in world.archive.rglob("assets/*") if path.is_file() and path.stat().st_size
    )


def rot(chance: random.Random, world: World) -> None:
    """One bit of each third file is another."""
    for path in _stored(world)[chance.randrange(3) :: 3]:
        data = bytearray(path.read_bytes())
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        _write(path, bytes(data))


def zero(chance: random.Random, world: World) -> None:
    """Each third file is zeros, as long as it was."""
    for path in _stored(world)[chance.randrange(3) :: 3]:
        _write(path, bytes(path.stat().st_size))


def shorten(chance: random.Random, world: World) -> None:
    """Each third file is shorter."""
    for path in _stored(world)[chance.randrange(3) :: 3]:
        _write(path, path.read_bytes()[:-1])


def lose(chance: random.Random, world: World) -> None:
    """Each third file is gone."""
    for path in _stored(world)[chance.randrange(3) :: 3]:
        path.unlink()


def lose_receipts(chance: random.Random, world: World) -> None:
    """Each third receipt is gone."""
    for path in sorted(world.archive.rglob("receipt.json"))[chance.randrange(3) :: 3]:
        path.unlink()


def empty(chance: random.Random, world: World) -> None:
    """Nothing is there: the volume is not mounted."""
    shutil.rmtree(world.archive)
    world.archive.mkdir()


def _write(path: Path, data: bytes) -> None:
    path.chmod(0o600)
    path.write_bytes(data)


ARCHIVES: Final[dict[str, Deed]] = {
    each.__name__: each for each in (rot, zero, shorten, lose, lose_receipts, empty)
}


def damaged_archive(worlds: Worlds, tally: Tally, seed: int) -> None:
    """Archived by one run, damaged, and due to be deleted by the next: nothing goes that has no
    whole copy.
    """
    chance = random.Random(seed)
    name = sorted(ARCHIVES)[seed % len(ARCHIVES)]
    with worlds.world(seed % 2) as world:
        world.configure(deletes=False)
        world.run()
        ARCHIVES[name](chance, world)
        world.configure()
        world.pass_time(65)
        for _ in range(2):
            process = world.run()
        tally.damages += 1
        if world.oracle.wrong:
            what = f"damage {seed}: archive {name}, ended {process.code}"
            tally.violations.append("\n".join([what, *world.oracle.wrong]))
        tally.writes += world.oracle.writes


# --- two at once ----------------------------------------------------------------------------------


def two_runs(worlds: Worlds, tally: Tally, seed: int) -> None:
    """Two janitors on one account, one state and one archive."""
    end = worlds.end(seed % 2)
    with worlds.world(seed % 2) as world:
        world.configure(workers=3)
        codes = _together(world, seed, ("run", "--execute"))
        tally.pairs += 1
        world.configure()
        _ends(world, tally, f"pair {seed}: two runs ended {codes}", end)


def two_states(worlds: Worlds, tally: Tally, seed: int) -> None:
    """Two janitors with a state each and one archive between them: the archive has one owner, the
    other is refused.
    """
    with worlds.world(seed % 2) as world:
        _begin_twice(world, tally, seed, "states", archive="./archive")
        wrong = []
        if all(_intents(path) for path in world.oracle.states):
            wrong.append("S12: both states acted on one archive")
        if (code := world.run("archive", "verify").code) not in {0, 3, 5}:
            wrong.append(f"S15: archive verify ended {code}")
        if wrong:
            tally.violations.append("\n".join([f"pair {seed}: two states", *wrong]))


def _intents(path: Path) -> int:
    """How many changes a state has begun."""
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as state:
        return int(
            state.execute("SELECT count(*) FROM journal WHERE kind = 'intent'").fetchone()[0]
        )


def two_archives(worlds: Worlds, tally: Tally, seed: int) -> None:
    """Two janitors on one account, with a state and an archive each: nobody keeps them apart, and
    nothing is lost.
    """
    with worlds.world(seed % 2) as world:
        world.oracle.archives.append(world.folder / "archive-2")
        _begin_twice(world, tally, seed, "archives", archive="./archive-2")


def _together(world: World, seed: int, second: tuple[str, ...]) -> list[int]:
    """The exit codes of both: begun at once, or the second one while the first stands still on its
    way.
    """
    chance = random.Random(seed)
    strike = Strike("freeze", chance.randint(1, 30), chance.choice((Call.RENAME, Call.SYNC)))
    first = world.start("run", "--execute", strike=strike if seed % 4 > 1 else None)
    is_frozen = seed % 4 > 1 and first.wait_until_frozen()
    other = world.start(*second)
    if is_frozen:
        other.has_ended(within_s=_PATIENCE_S)  # or it waits for the first
        first.thaw()
    return [world.ended(first), world.ended(other)]


def _begin_twice(world: World, tally: Tally, seed: int, what: str, *, archive: str) -> None:
    world.oracle.states.append(world.folder / "state-2.db")
    world.oracle.is_shared = True
    world.configure(workers=3)
    world.configure(workers=3, name="second.yaml", state="./state-2.db", archive=archive)
    codes = _together(world, seed, ("--config", "second.yaml", "run", "--execute"))
    codes += [
        world.run().code or 0,
        world.run("--config", "second.yaml", "run", "--execute").code or 0,
    ]
    tally.pairs += 1
    if world.oracle.wrong:
        said = f"pair {seed}: two {what}, ended {codes}"
        tally.violations.append("\n".join([said, *world.oracle.wrong]))


ATTACKS: Final = {
    "damaged_state": damaged_state,
    "damaged_archive": damaged_archive,
    "two_runs": two_runs,
    "two_states": two_states,
    "two_archives": two_archives,
}


def _ends(world: World, tally: Tally, what: str, end: End) -> None:
    try:
        finish(world, end)
    except (ViolationError, TimeoutError, JanitorError, sqlite3.Error) as wrong:
        found = dict.fromkeys([*world.oracle.wrong, str(wrong)])
        tally.violations.append("\n".join([what, *found]))
    finally:
        tally.writes += world.oracle.writes
