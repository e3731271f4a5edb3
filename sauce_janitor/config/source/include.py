"""`include`: further files, which add policies, holds, lists and tests.

They are read as strictly as the file that names them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Final

from sauce_janitor.config.source.files import ConfigFiles
from sauce_janitor.config.source.problems import Path, did_you_mean, shown
from sauce_janitor.config.source.yaml import Document, Table, Value, read
from sauce_janitor.errors import ConfigError

MOST_FILES: Final = 500
_SECTIONS: Final = ("policies", "holds", "tests")
_ADDS: Final = "it can only add policies, holds, lists and tests"


def read_whole(data: bytes, path: FilePath, sources: ConfigFiles | None = None) -> Document:
    """Return the document in `data`, the content of the file at `path`, with what its included
    files add.

    Its problems are those of all files. `sources` reads the included files.
    """
    document = read(data, str(path))
    if isinstance(document.root, Table):
        _Inclusion(document, path, sources or ConfigFiles()).include()
    return document


class _Inclusion:
    """Adds the included files to the document of one file."""

    def __init__(self, document: Document, path: FilePath, sources: ConfigFiles) -> None:
        self._document = document
        self._sources = sources
        self._path = path
        self._folder = path.parent
        self._files: dict[FilePath, FilePath] = {}

    def include(self) -> None:
        """Add the content of every included file.

        The order of the files changes nothing but the order of messages.
        """
        root = self._document.root
        assert isinstance(root, Table)
        named = root.get("include")
        patterns = named if isinstance(named, list) else [named]
        for index, pattern in enumerate(patterns):
            if isinstance(pattern, str) and pattern:
                self._find(pattern, ("include", index) if isinstance(named, list) else ("include",))
        # A pattern such as `/**` would read the whole disk.
        if len(self._files) > MOST_FILES:
            self._document.problems.add(("include",), f"names more than {MOST_FILES} files")
            return
        self._document.included = tuple(self._files.values())
        for file in self._files.values():
            self._merge(root, file)

    def _find(self, pattern: str, at: Path) -> None:
        """Collect the files that match the pattern. No match is a problem: the file that is not
        found might have a hold.
        """
        own, problems = self._path.resolve(), self._document.problems
        files = self._sources.files_named(pattern, self._folder)
        if not files:
            problems.add(at, f"{shown(pattern)} matches no file in {self._folder.absolute()}")
        for file in files:
            # `*.yaml` in the file's own folder finds the file itself; its policies would be there
            # twice.
            if file.resolve() == own:
                problems.add(at, f"{shown(pattern)} matches this file itself: name other files")
            else:
                # Two patterns, or two links, may find one file: it is read once.
                self._files.setdefault(file.resolve(), file)

    def _merge(self, root: Table, file: FilePath) -> None:
        try:
            data = self._sources.file_bytes(file)
        except ConfigError as error:
            self._document.problems.add(("include",), str(error))
            return
        other = read(data, str(file))
        # The policies of this file follow those that are there: positions move by that number.
        offsets = {section: len(_list(root.get(section))) for section in _SECTIONS}

        def moved(path: Path) -> Path:
            section, *below = path
            if section in offsets and below and isinstance(below[0], int):
                return (section, below[0] + offsets[str(section)], *below[1:])
            return path

        added = dict.fromkeys(_Checked(other, self._document).additions())
        self._document.problems.absorb(other.problems, moved)
        for path in added:
            self._document.origins[moved(path)] = (other.file, path)
            _put(root, path, _moved(_at(other, path), moved))
        places = {path: place for path, place in other.places.items() if path[:2] in added}
        self._document.places.update({moved(path): place for path, place in places.items()})


class _Checked:
    """Checks which keys an included file has."""

    def __init__(self, other: Document, whole: Document) -> None:
        self._other, self._whole = other, whole

    def additions(self) -> list[Path]:
        """Return the paths of what the file adds: a policy, a hold, a test or a list each.

        Every other key is added as a problem.
        """
        problems, root = self._other.problems, self._other.root
        if not isinstance(root, Table):
            if not problems:
                problems.add(
                    (),
                    "is not a mapping: an included file begins with a key such as `policies:`;"
                    f" {_ADDS}",
                )
            return []
        added: list[Path] = []
        for key, value in root.items():
            if key in _SECTIONS and isinstance(value, list):
                added += [(key, index) for index in range(len(value))]
            elif key == "lists" and isinstance(value, Table):
                added += [("lists", name) for name in value if not self._is_taken(name)]
            elif key in (*_SECTIONS, "lists"):
                kind = "mapping" if key == "lists" else "list"
                problems.add((key,), f"is not a {kind}")
            # Includes of includes could form a cycle, and nobody would see from the main file what
            # is read.
            elif key == "include":
                problems.add(
                    (key,),
                    f"an included file cannot include others: name all in {self._whole.file}",
                )
            # An included file adds rules; it changes no account, limit or path.
            elif key != "version" or value != 1:
                near = did_you_mean(key, (*_SECTIONS, "lists"))
                problems.add((key,), f"`{key}` is not allowed in an included file: {_ADDS}{near}")
        return added

    def _is_taken(self, name: str) -> bool:
        """Return whether another file has a list of that name, and add that as a problem."""
        path: Path = ("lists", name)
        if not self._whole.holds(path):
            return False
        file = self._whole.origins.get(path, (self._whole.file, path))[0]
        line = self._whole.problems.place_of(path).line
        self._other.problems.add(
            path,
            f"{shown(name)} is the name of another list ({file}:{line}): names must be unique",
        )
        return True


def _put(root: Table, path: Path, value: Value) -> None:
    section, key = path
    assert isinstance(section, str)
    if isinstance(key, int):
        into = root.setdefault(section, [])
        if isinstance(into, list):
            into.append(value)
    else:
        table = root.setdefault(section, Table((section,)))
        if isinstance(table, Table):
            table[key] = value


def _at(document: Document, path: Path) -> Value:
    value: Value = document.root
    for part in path:
        assert isinstance(value, Table | list)
        # A path of this very document, so the part fits the kind of the value.
        value = value[part]  # type: ignore[index]
    return value


def _moved(value: Value, moved: Callable[[Path], Path]) -> Value:
    if isinstance(value, Table):
        table = Table(moved(value.path))
        table.update({key: _moved(below, moved) for key, below in value.items()})
        return table
    return [_moved(below, moved) for below in value] if isinstance(value, list) else value


def _list(value: Value) -> list[Value]:
    return value if isinstance(value, list) else []
