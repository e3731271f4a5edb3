"""A trial edit of the policies: put into the file in use, checked as a file is, and never saved.

Only the sections in `EDITABLE` are taken from the edit. All other keys stay those of the file in
use, so an edit cannot name a file to read, a variable or a command.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from sauce_janitor.config import Config
from sauce_janitor.config.digest import policy_digest
from sauce_janitor.config.lints.lints import lint
from sauce_janitor.config.loader import parse
from sauce_janitor.config.policy_tests import tests_for
from sauce_janitor.config.source.include import read_whole
from sauce_janitor.config.source.yaml import Document, Table, read
from sauce_janitor.config.translate import rules_for
from sauce_janitor.errors import ConfigError, Problem

EDITABLE: Final = ("defaults", "lists", "holds", "limits", "policies", "deadlines", "tests")
"""The keys of the file that an edit can have."""
MOST_LINES: Final = 5_000
MOST_POLICIES: Final = 200
"""What policies make of one another is compared in pairs: 1,000 take a minute."""
_HARMFUL: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class InvalidEditError(ConfigError):
    """The edit is not valid. The lines of `problems` without a file are lines of the edit."""


@dataclass(slots=True)
class _Block:
    """A top-level key of a file: its lines, with the comments right before it, and the number of
    the first one.
    """

    key: str
    first: int
    lines: list[str]

    def without_end(self) -> list[str]:
        """Return the lines without the empty ones at the end."""
        lines = list(self.lines)
        while lines and not lines[-1].strip():
            lines.pop()
        return lines


@dataclass(slots=True)
class _Sections:
    """A file, cut at its top-level keys."""

    document: Document
    head: list[str] = field(default_factory=list)
    blocks: list[_Block] = field(default_factory=list)

    def values(self) -> Table:
        root = self.document.root
        assert isinstance(root, Table)
        return root


class FileInUse:
    """The main file of the configuration in use, as text.

    Raise ConfigError if the file on the disk is another one by now, or has not one key a line.
    """

    def __init__(self, config: Config) -> None:
        if not config.sources.are_current():
            raise ConfigError(
                "the configuration on the disk is not the one in use: reload it, or correct it"
            )
        text = config.sources.file_bytes(config.file).decode()
        self._config = config
        self._has_crlf = "\r\n" in text
        self._text = text.replace("\r\n", "\n")
        _refuse_invisible(self._text, str(config.file))
        self._sections = _cut(self._text, str(config.file))

    def editable(self) -> str:
        """Return the sections that an edit can change, as they are written."""
        lines: list[str] = []
        for block in self._sections.blocks:
            if block.key in EDITABLE:
                lines += block.lines
        return "\n".join(lines).strip("\n") + "\n"

    def edited(self, text: str) -> PolicyEdit:
        """Return the edit. Raise InvalidEditError with all problems."""
        text = text.replace("\r\n", "\n")
        if text.count("\n") > MOST_LINES:
            raise InvalidEditError(
                f"the edit has more than {MOST_LINES:,} lines: compare files with `sauce-janitor"
                " diff`"
            )
        _refuse_invisible(text, "")
        try:
            _refuse_markers(text)
            posted = _cut(text, "")
            _refuse_other_keys(posted)
        except ConfigError as error:
            raise InvalidEditError(error.problems) from None
        lines, places = self._with(posted)
        whole = "\n".join(lines) + "\n"
        try:
            config = _applied(self._config, whole, self._sections, posted)
            return PolicyEdit(config, self._patch(lines))
        except ConfigError as error:
            file = str(self._config.file)
            raise InvalidEditError(
                [_placed(each, file, places) for each in error.problems]
            ) from None

    def _with(self, posted: _Sections) -> tuple[list[str], dict[int, int]]:
        """Return the lines of the file with the edit, and for the lines of the edit (from 1) their
        places in it.
        """
        lines, places = list(self._sections.head), {}
        new = {block.key: block for block in posted.blocks}

        def add(block: _Block) -> None:
            for offset, line in enumerate(block.without_end()):
                lines.append(line)
                places[len(lines)] = block.first + offset

        # Comments before the first section stay with it.
        if posted.blocks:
            posted.blocks[0].lines[:0] = posted.head
            posted.blocks[0].first -= len(posted.head)
        for block in self._sections.blocks:
            if block.key not in EDITABLE:
                lines.extend(block.lines)
            elif block.key in new:
                add(new.pop(block.key))
                # Empty lines between two sections are no edit.
                lines.extend(block.lines[len(block.without_end()) :])
        for block in new.values():
            if lines and lines[-1].strip():
                lines.append("")
            add(block)
        return lines, places

    def _patch(self, lines: list[str]) -> str:
        """Return the edit as a patch for `git apply`, empty without a change."""
        before = self._text.split("\n")
        after = [*lines, ""] if before[-1] == "" else list(lines)
        name = self._config.file.name
        end = "\r" if self._has_crlf else ""
        old, new = _with_ends(before, end), _with_ends(after, end)
        found = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
            for line in found
        )


@dataclass(frozen=True, slots=True)
class PolicyEdit:
    """A valid edit: the configuration that it makes, and the patch against the file in use."""

    config: Config
    patch: str


def _with_ends(lines: list[str], end: str) -> list[str]:
    *most, last = lines
    return [*(f"{line}{end}\n" for line in most), *([last] if last else [])]


def _cut(text: str, file: str) -> _Sections:
    """Return the sections of a file. Raise ConfigError with its problems."""
    document = read(text.encode(), file)
    root, problems = document.root, document.problems
    if problems:
        raise ConfigError(problems.all())
    if not isinstance(root, Table):
        raise ConfigError([Problem("is not a mapping with keys such as `policies:`", file, 1)])
    lines, sections = text.split("\n"), _Sections(document)
    if lines[-1] == "":
        lines.pop()
    starts: list[tuple[int, str]] = []
    for key in root:
        place = document.places[(key,)]
        # Of `{policies: [], holds: []}`, no section could be replaced.
        if place.column != 1:
            message = f"`{key}` does not begin a line: write one key of the file a line"
            raise ConfigError([Problem(message, file, place.line)])
        start = place.line - 1
        while start > (starts[-1][0] + 1 if starts else 0) and lines[start - 1].startswith("#"):
            start -= 1
        starts.append((start, key))
    sections.head = lines[: starts[0][0]] if starts else lines
    ends = [*(start for start, _ in starts[1:]), len(lines)]
    for (start, key), end in zip(starts, ends, strict=True):
        sections.blocks.append(_Block(key, start + 1, lines[start:end]))
    return sections


def _refuse_other_keys(posted: _Sections) -> None:
    known = ", ".join(EDITABLE)
    problems = [
        Problem(
            f"`{block.key}` cannot be tried here, only {known}: edit the file",
            "",
            posted.document.places[(block.key,)].line,
        )
        for block in posted.blocks
        if block.key not in EDITABLE
    ]
    if problems:
        raise ConfigError(problems)


def _refuse_markers(text: str) -> None:
    """Raise ConfigError for a line that would end the document in the middle of the file."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.startswith(("---", "...")):
            raise ConfigError([Problem(f"begins with {line[:3]}: remove this line", "", number)])


def _refuse_invisible(text: str, file: str) -> None:
    """Raise ConfigError for a character that a reader of the page or of the patch cannot see."""
    for number, line in enumerate(text.split("\n"), start=1):
        for each in line:
            if each != "\t" and unicodedata.category(each) in _HARMFUL:
                message = f"has an invisible character (U+{ord(each):04X}): remove it"
                raise InvalidEditError([Problem(message, file, number)])


def _applied(config: Config, text: str, before: _Sections, posted: _Sections) -> Config:
    """Return the configuration in use with the rules of the edit. Raise ConfigError with all
    problems.
    """
    data = text.encode()
    alone = read(data, str(config.file))
    if alone.problems:
        raise ConfigError(alone.problems.all())
    kept = {key: value for key, value in before.values().items() if key not in EDITABLE}
    tried = {key: value for key, value in posted.values().items() if key in EDITABLE}
    # However the edit is written, nothing but its own sections may have changed. This is read
    # before any file that `include` names.
    if alone.root != {**kept, **tried}:
        raise ConfigError("the edit changes more than its own sections: edit the file instead")
    document = read_whole(data, config.file)
    term = parse(document)
    if len(term.policies) > MOST_POLICIES:
        raise ConfigError(
            f"there would be {len(term.policies):,} policies, and a page tries {MOST_POLICIES} at"
            " most: compare files with `sauce-janitor diff`"
        )
    rules = {name: rules_for(term, name) for name in term.accounts}
    digests = {name: policy_digest(rules[name], config.identities[name]) for name in rules}
    return replace(
        config,
        rules_by_account=rules,
        tests_by_account={name: tests_for(term, name, document) for name in rules},
        warnings=lint(term, document, rules, digests),
    )


def _placed(problem: Problem, file: str, places: Mapping[int, int]) -> Problem:
    """Return the problem with the line of the edit, where it is about the edit."""
    line = None if problem.line is None else places.get(problem.line)
    if problem.file == file and line is not None:
        return replace(problem, file="", line=line)
    return replace(problem, file=Path(problem.file).name)


def edit_lines(config: Config, edit_warnings: Iterable[Problem]) -> list[str]:
    """Return warnings as text, without the folder of the file."""
    folder = f"{config.file.parent}/"
    return [str(each).removeprefix(folder) for each in edit_warnings]
