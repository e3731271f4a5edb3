"""Whatever writes, link swaps and reads come in between each other, the last valid configuration
ends in force.

A small model of a folder as people and programs change it: files written in place, bit by bit,
replaced, swapped behind a link. Each step may come between two looks, or right before or after any
read of a loading.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sauce_janitor.config import Config, load
from sauce_janitor.config.source import files
from sauce_janitor.daemon.config_watch import FollowedConfig
from sauce_janitor.errors import ConfigError

MAIN = (
    "accounts: {eu: {region: eu, username: demo, access_key: {env: KEY}}}\ninclude:"
    " teams/*.yaml\nworkers: WORKERS\n"
)
TEAM = "policies:\n  - {name: NAME, match: {name: x}, then: {archive: none, delete_job: 3d}}\n"
LOOKS = 3
"""A change is seen by one look and comes into force by the next: ten seconds."""


class Folder:
    """`config.yaml` is a link to what `..data` leads to, as in a ConfigMap; `teams/` has included
    files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.version = 0
        self.whole: set[tuple[str, ...]] = set()
        (path / "teams").mkdir()
        self.team("a", 1)
        self.swap(1)
        (path / "config.yaml").symlink_to("..data/config.yaml")

    def swap(self, workers: int) -> None:
        """Another version of the main file, behind the link at once."""
        self.version += 1
        (self.path / f"..v{self.version}").mkdir()
        (self.path / f"..v{self.version}" / "config.yaml").write_text(
            MAIN.replace("WORKERS", str(workers))
        )
        (self.path / "..new").symlink_to(f"..v{self.version}")
        (self.path / "..new").rename(self.path / "..data")

    def write(self, workers: int) -> None:
        """The main file, in place, whole."""
        (self.path / "config.yaml").write_text(MAIN.replace("WORKERS", str(workers)))

    def begin(self, workers: int) -> None:
        """The main file, in place, of which the end is not there yet: as it stands it is valid,
        with other workers.
        """
        (self.path / "config.yaml").write_text(MAIN.partition("workers")[0] + f"# {workers}\n")

    def spoil(self, workers: int) -> None:
        """A main file that is not valid."""
        (self.path / "config.yaml").write_text(MAIN.replace("WORKERS", f"many {workers}"))

    def replace(self, workers: int) -> None:
        """The main file, by another one of its name; the link is gone then."""
        (self.path / "new").write_text(MAIN.replace("WORKERS", str(workers)))
        (self.path / "new").replace(self.path / "config.yaml")

    def team(self, name: str, number: int) -> None:
        """An included file, new or replaced."""
        (self.path / "new").write_text(TEAM.replace("NAME", f"{name}{number}"))
        (self.path / "new").replace(self.path / "teams" / f"{name}.yaml")

    def break_team(self, name: str, number: int) -> None:
        """An included file that is not valid, in place."""
        (self.path / "teams" / f"{name}.yaml").write_text(f"policies: [{number}")

    def drop_team(self, name: str, _number: int) -> None:
        """One included file fewer."""
        if len(list((self.path / "teams").iterdir())) > 1:
            (self.path / "teams" / f"{name}.yaml").unlink(missing_ok=True)


NUMBERS = st.integers(1, 5)
STEPS = st.one_of(
    st.tuples(st.sampled_from(["swap", "write", "begin", "spoil", "replace"]), NUMBERS),
    st.tuples(st.sampled_from(["team", "break_team", "drop_team"]), st.sampled_from("ab"), NUMBERS),
)
LOOK = st.tuples(st.just("look"), st.lists(st.tuples(st.integers(0, 4), STEPS), max_size=3))


def step(folder: Folder, said: tuple[object, ...]) -> None:
    getattr(folder, str(said[0]))(*said[1:])


@contextmanager
def between_reads(act: Callable[[int], None]) -> Iterator[None]:
    """Call `act` before and after each read of a file, with the number of the moment."""
    moment = 0
    read = files.file_bytes

    def reading(path: Path) -> bytes:
        nonlocal moment
        act(moment)
        try:
            return read(path)
        finally:
            act(moment + 1)
            moment += 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "file_bytes", reading)
        yield


def says(config: Config) -> tuple[object, ...]:
    return config.workers, tuple(policy.name for policy in config.rules("eu").policies)


@given(st.lists(st.one_of(STEPS, LOOK), max_size=10))
@example([("look", [(1, ("swap", 3))])])
@example([("write", 2), ("look", []), ("look", [(1, ("replace", 3))])])
@example([("write", 2), ("look", [(1, ("write", 3))]), ("look", [(0, ("write", 4))])])
@example([("break_team", "b", 1), ("look", []), ("look", []), ("team", "b", 2)])
@example([("begin", 1), ("look", [(1, ("write", 3))])])
def test_the_last_valid_file_ends_in_force(steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory() as made:
        folder = Folder(Path(made))
        file = folder.path / "config.yaml"
        one = FollowedConfig(load(file))
        for each in steps:
            if each[0] != "look":
                step(folder, each)
                continue
            waiting = list(each[1])  # type: ignore[call-overload]

            def act(moment: int, waiting: list[tuple[int, tuple[object, ...]]] = waiting) -> None:
                for planned in [planned for planned in waiting if planned[0] == moment]:
                    waiting.remove(planned)
                    step(folder, planned[1])

            with between_reads(act):
                one.look()
        before = says(one.config)
        for _ in range(LOOKS):
            one.look()
        try:
            wanted = load(file)
        except ConfigError:
            assert one.faults
            assert says(one.config) == before
        else:
            assert says(one.config) == says(wanted)
            assert not one.faults


def test_a_file_that_is_replaced_while_the_daemon_starts_is_taken_up(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    replaced: list[int] = []

    def act(moment: int) -> None:
        if moment == 1:
            folder.replace(4)
            replaced.append(moment)

    with between_reads(act):
        config = load(tmp_path / "config.yaml")
    assert (config.workers, replaced) == (1, [1])
    one = FollowedConfig(config)
    assert sum(one.look() for _ in range(LOOKS)) == 1
    assert one.config.workers == 4


def test_half_a_file_that_is_valid_by_itself_is_never_in_force_while_it_is_written(
    tmp_path: Path,
) -> None:
    """Its last lines may be the holds."""
    folder = Folder(tmp_path)
    one = FollowedConfig(load(tmp_path / "config.yaml"))
    default = load(tmp_path / "config.yaml").workers
    for number in range(4):
        folder.begin(number)
        assert not one.look()
    folder.write(5)
    assert not one.look()
    assert one.config.workers == default
    assert sum(one.look() for _ in range(LOOKS)) == 1
    assert one.config.workers == 5
