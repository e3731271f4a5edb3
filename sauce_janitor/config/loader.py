"""Loads a configuration file: the result is a `Config`, or an error with all its problems."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from sauce_janitor.config import checks, explain_problems
from sauce_janitor.config.builder import ConfigBuilder
from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.grammar.scalars import Grammar
from sauce_janitor.config.source.files import ConfigFiles
from sauce_janitor.config.source.include import read_whole
from sauce_janitor.config.source.yaml import Document, Table, read
from sauce_janitor.config.values import Config
from sauce_janitor.errors import ConfigError

DECIDING: Final = (
    "include", "defaults", "lists", "holds", "limits", "approvals", "policies", "deadlines",
    "tests",
)  # fmt: skip
"""The keys of the file that decide on jobs."""


def load(
    path: Path | str, *, environ: Mapping[str, str] = os.environ, sources: ConfigFiles | None = None
) -> Config:
    """Return the configuration of a file. Nothing is requested from the network.

    Relative paths in the file start from its folder. Secrets are not read before
    `Account.credentials` is called; then they, and user names, come from `environ`. `sources`
    remembers what was read, also when the file is invalid. Raise ConfigError with all problems,
    each with its line and path.
    """
    path, sources = Path(path), sources or ConfigFiles()
    return from_bytes(sources.file_bytes(path), path, environ=environ, sources=sources)


def load_accounts(path: Path | str, *, environ: Mapping[str, str] = os.environ) -> Config:
    """Return what a read-only command needs: the accounts, and all else that decides nothing.

    The keys in `DECIDING` are left out, with their problems and warnings, so that a mistake in a
    policy does not prevent a look at the jobs. Raise ConfigError as `load` does.
    """
    path, sources = Path(path), ConfigFiles()
    document = read(sources.file_bytes(path), str(path))
    # Removed before the grammar sees them. Problems of the YAML itself, such as a duplicate key,
    # are forgotten separately.
    if isinstance(document.root, Table):
        for section in DECIDING:
            document.root.pop(section, None)
        document.problems.forget(DECIDING)
    config = ConfigBuilder(document, parse(document), path, environ).config(sources)
    # A warning without a path is about the file as a whole, such as that it has no policies.
    return replace(config, warnings=tuple(each for each in config.warnings if each.path))


def from_bytes(
    data: bytes, path: Path, *, environ: Mapping[str, str], sources: ConfigFiles | None = None
) -> Config:
    """Return what `load` returns for a file of this content at this path.

    The disk is only read for included files, and for saucectl's files if several accounts have one
    address: they name the user of an account without a `username`.
    """
    sources = sources or ConfigFiles()
    document = read_whole(data, path, sources)
    return ConfigBuilder(document, parse(document), path, environ).config(sources)


def parse(document: Document) -> ConfigFile:
    """Return the document as the grammar's models. Raise ConfigError with all problems."""
    root, problems = document.root, document.problems
    if not isinstance(root, Table):
        # A file that is no YAML has its own problem already.
        if not problems:
            problems.add(
                (),
                "is not a mapping: a configuration begins with keys such as `accounts:` and"
                " `policies:`",
            )
        raise ConfigError(problems.all())
    known: dict[tuple[str | int, ...], type[Grammar]] = {}
    term: ConfigFile | None = None
    try:
        term = ConfigFile.model_validate(root, context=known)
    except ValidationError as error:
        explain_problems.explain(error, root, problems)
    # The model adds the keys of each mapping to `known`, whether it is valid or not.
    explain_problems.explain_unknown_keys(known, root, problems)
    # Also on a file with problems: an operator fixes a file faster if it names all of them at once.
    checks.check(root, problems)
    # The tests of policies need the grammar's values; the checks above do not.
    # Few commands run tests, and many files have none: what makes and decides their jobs is late.
    if term is not None and term.tests:
        from sauce_janitor.config.policy_tests import check_tests

        check_tests(term, problems)
    if problems or term is None:
        raise ConfigError(problems.all())
    return term
