"""The options of `tag` as a change of a job."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sauce_janitor.model.job_changes import JobChange


def _pairs(flag: str, texts: Sequence[str], form: str) -> Iterator[tuple[str, str]]:
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign:
            raise click.UsageError(f"{flag} {text!r:.60}: write {form}")
        yield key, value


def _json_of(key: str, text: str) -> object:
    """Return the value of a JSON text. Raises UsageError for a text that is not JSON."""

    # Python's parser accepts NaN and Infinity, which are not JSON.
    def refuse(constant: str) -> object:
        raise ValueError(f"{constant} is not JSON")

    # It also reads 1e999 as infinity, which could not be sent.
    def finite(number: str) -> float:
        if math.isinf(value := float(number)):
            raise ValueError("Out of range float values are not JSON compliant")
        return value

    try:
        value: object = json.loads(text, parse_constant=refuse, parse_float=finite)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(
            f"--custom-data-json {key}={text:.60} is not JSON ({error}): for a text use "
            f"--custom-data {key}=TEXT"
        ) from error
    return value


def change_of(options: Mapping[str, Any]) -> JobChange:
    """Return the change that the options ask for.

    Raises UsageError for a value that no job can have, and if the options change nothing.
    """
    from sauce_janitor.model.job_changes import JobChange

    custom: list[tuple[str, object]] = list(_pairs("--custom-data", options["custom"], "KEY=VALUE"))
    for key, text in _pairs("--custom-data-json", options["custom_json"], "KEY=JSON"):
        custom.append((key, _json_of(key, text)))
    if options["clear"] and options["tags"]:
        raise click.UsageError("--clear removes all tags, --set replaces them: use one of them")
    # () removes all tags, None leaves them as they are.
    tags = () if options["clear"] else options["tags"] or None
    names = ("name", "build", "public", "passed")
    try:
        change = JobChange(
            add=options["add"],
            remove=options["remove"],
            tags=tags,
            custom_data=tuple(custom),
            drop_custom_data=options["drop"],
            **{name: options[name] for name in names},
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if change.is_nothing:
        raise click.UsageError("say what to change: --add, --remove, --set, --name, … (see --help)")
    return change
