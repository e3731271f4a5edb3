"""What a configuration was read from: the bytes of its files, and which files its patterns named,
at the moment of reading.
"""

from __future__ import annotations

import glob
import hashlib
from pathlib import Path
from typing import TypeAlias

from sauce_janitor.config.source.yaml import LARGEST_FILE_BYTES
from sauce_janitor.errors import ConfigError

_Question: TypeAlias = tuple[str, Path, str]
_Answer: TypeAlias = tuple[str, ...]


class ConfigFiles:
    """Reads files and patterns for one loading, and remembers what the disk answered.

    A later look asks the disk the same again. It compares with the bytes that were loaded, not with
    a second reading, so a file that is replaced while it is read is noticed.
    """

    def __init__(self) -> None:
        self._answers: dict[_Question, _Answer] = {}

    def file_bytes(self, path: Path) -> bytes:
        """Return the file's content, or a byte more than a configuration may have. ConfigError when
        it cannot be read.
        """
        question: _Question = ("file", path, "")
        try:
            data = file_bytes(path)
        except ConfigError as wrong:
            self._answers[question] = ("unreadable", str(wrong))
            raise
        self._answers[question] = ("bytes", hashlib.sha256(data).hexdigest())
        return data

    def files_named(self, pattern: str, folder: Path) -> list[Path]:
        """Return the files that the pattern names, by name; relative ones start from that
        folder.
        """
        found = files_named(pattern, folder)
        self._answers["pattern", folder, pattern] = _resolved(found)
        return found

    def are_current(self) -> bool:
        """Return whether the disk still answers all that was asked as it did."""
        now = ConfigFiles()
        for kind, path, pattern in self._answers:
            if kind == "pattern":
                now.files_named(pattern, path)
            else:
                try:
                    now.file_bytes(path)
                except ConfigError:
                    continue  # remembered as its answer
        return now._answers == self._answers

    def content(self) -> tuple[_Answer, ...]:
        """Return what was read, file by file, whatever their names and links."""
        return tuple(answer for (kind, _, _), answer in self._answers.items() if kind == "file")


def file_bytes(path: Path) -> bytes:
    """Return the file's content, or a byte more than a configuration may have. ConfigError when it
    cannot be read.
    """
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file: `sauce-janitor init` writes one, --config names"
            " another"
        ) from None
    except OSError as wrong:
        raise ConfigError(f"{path}: cannot be read: {wrong.strerror or wrong}") from wrong


def files_named(pattern: str, folder: Path) -> list[Path]:
    """Return the files that the pattern names, by name; relative ones start from that folder."""
    # Path.glob takes no absolute pattern, and finds hidden files, such as those of a mounted
    # ConfigMap, twice.
    found = glob.glob(str(Path(pattern).expanduser()), root_dir=folder, recursive=True)  # noqa: PTH207
    files = [folder / name for name in sorted(found)]
    return [file for file in files if file.is_file()]


def _resolved(files: list[Path]) -> _Answer:
    """Each file and what is behind its name: two names of one file are read once."""
    return tuple(text for file in files for text in (str(file), str(file.resolve())))
