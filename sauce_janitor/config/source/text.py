"""Decodes the bytes of a file, and refuses text that YAML readers read differently."""

from __future__ import annotations

from typing import Final

from sauce_janitor.config.source.problems import ConfigProblems, FilePosition

LARGEST_FILE_BYTES: Final = 256 * 1024
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def decoded(data: bytes, problems: ConfigProblems) -> str | None:
    """Return the text of a file; None, with a problem, for one that cannot be a configuration."""
    if len(data) > LARGEST_FILE_BYTES:
        size = f"{LARGEST_FILE_BYTES // 1024} KiB"
        problems.add(
            (), f"is larger than {size}: no configuration needs that; is it the right file?"
        )
        return None
    # Some YAML readers skip the mark, others take it as part of the first key.
    if data.startswith(_BOMS):
        problems.add((), "starts with a byte order mark: save it as UTF-8 without one")
        return None
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        message = f"is not UTF-8 (byte 0x{data[error.start]:02x}): save it as UTF-8"
        problems.add((), message, at=FilePosition(line, 1))
        return None


def has_tabs(text: str, problems: ConfigProblems) -> bool:
    """Return whether a line is indented with a tab, and add a problem for each such line.

    YAML readers disagree on such lines.
    """
    found = False
    if "\t" in text:
        for number, line in enumerate(text.split("\n"), start=1):
            indentation = line[: len(line) - len(line.lstrip(" \t"))]
            if "\t" in indentation and line.strip():
                found = True
                column = indentation.index("\t") + 1
                problems.add_beside(
                    (),
                    f"has a tab in the indentation (column {column}): use spaces",
                    at=FilePosition(number, column),
                )
    return found
