"""The files that a configuration was read from, so that a later change of them is noticed."""

from __future__ import annotations

import glob
import hashlib
from pathlib import Path
from typing import TypeAlias

from sauce_janitor.config.source.text import LARGEST_FILE_BYTES
from sauce_janitor.errors import ConfigError

_Question: TypeAlias = tuple[str, Path, str]
_Answer: TypeAlias = tuple[str, ...]


class ConfigFiles:
    """Reads the files and patterns of one configuration, and remembers the results.

    `are_current` reads all again and compares with the bytes that were loaded, so it also notices a
    file that was replaced while it was loaded.
    """

    def __init__(self) -> None:
        self._answers: dict[_Question, _Answer] = {}

    def file_bytes(self, path: Path) -> bytes:
        """Return the content of a file, at most one byte more than a configuration may have.

        Raise ConfigError when it cannot be read.
        """
        question: _Question = ("file", path, "")
        try:
            data = file_bytes(path)
        except ConfigError as error:
            self._answers[question] = ("unreadable", str(error))
            raise
        self._answers[question] = ("bytes", hashlib.sha256(data).hexdigest())
        return data

    def files_named(self, pattern: str, folder: Path) -> list[Path]:
        """Return the files that match the pattern, sorted; relative ones start from `folder`."""
        found = files_named(pattern, folder)
        self._answers["pattern", folder, pattern] = _resolved(found)
        return found

    def are_current(self) -> bool:
        """Return whether reading everything again gives the same results."""
        now = ConfigFiles()
        for kind, path, pattern in self._answers:
            # A new file of the pattern counts as a change as well.
            if kind == "pattern":
                now.files_named(pattern, path)
            else:
                try:
                    now.file_bytes(path)
                except ConfigError:
                    # `now` remembers that the file cannot be read, to be compared below.
                    continue
        return now._answers == self._answers

    def content(self) -> tuple[_Answer, ...]:
        """Return the result for each file in the order of reading, without regard to its name."""
        return tuple(answer for (kind, _, _), answer in self._answers.items() if kind == "file")


def file_bytes(path: Path) -> bytes:
    """Return the content of a file, at most one byte more than a configuration may have.

    Raise ConfigError when it cannot be read.
    """
    try:
        with path.open("rb") as file:
            # One byte more shows that the file is too large, without reading all of `/dev/zero`.
            return file.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file: create it with `sauce-janitor init`, or name another"
            " one with --config"
        ) from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error


def files_named(pattern: str, folder: Path) -> list[Path]:
    """Return the files that match the pattern, sorted; relative patterns start from `folder`."""
    # Not Path.glob: it takes no absolute pattern, and it also finds hidden files, by which a
    # mounted ConfigMap would show each file twice.
    found = glob.glob(str(Path(pattern).expanduser()), root_dir=folder, recursive=True)  # noqa: PTH207
    files = [folder / name for name in sorted(found)]
    return [file for file in files if file.is_file()]


def _resolved(files: list[Path]) -> _Answer:
    """Return each name and the file that it leads to: two names of one file are read once."""
    texts: list[str] = []
    for file in files:
        texts += [str(file), str(file.resolve())]
    return tuple(texts)
