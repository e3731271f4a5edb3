"""What the options of `tag` want changed of a job."""

from __future__ import annotations

import json
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
    """The value that the JSON text writes. UsageError for what is none, or a number that no JSON
    can hold.
    """

    def refused(constant: str) -> object:
        raise ValueError(f"{constant} is no JSON")

    try:
        value: object = json.loads(text, parse_constant=refused)
        json.dumps(value, allow_nan=False)  # 1e999 reads as infinity
    except (ValueError, RecursionError) as wrong:
        raise click.UsageError(
            f"--custom-data-json {key}={text:.60} is no JSON ({wrong}): for a text write "
            f"--custom-data {key}=TEXT"
        ) from wrong
    return value


def change_of(given: Mapping[str, Any]) -> JobChange:
    """Return the change that the options ask for. UsageError for what no job can have, and for none
    at all.
    """
    from sauce_janitor.model.job_changes import JobChange

    custom: list[tuple[str, object]] = list(_pairs("--custom-data", given["custom"], "KEY=VALUE"))
    for key, text in _pairs("--custom-data-json", given["custom_json"], "KEY=JSON"):
        custom.append((key, _json_of(key, text)))
    if given["clear"] and given["tags"]:
        raise click.UsageError("--clear takes all tags away, --set replaces them: say one of them")
    tags = () if given["clear"] else given["tags"] or None
    names = ("name", "build", "public", "passed")
    try:
        change = JobChange(
            add=given["add"],
            remove=given["remove"],
            tags=tags,
            custom_data=tuple(custom),
            drop_custom_data=given["drop"],
            **{name: given[name] for name in names},
        )
    except ValueError as wrong:
        raise click.UsageError(str(wrong)) from wrong
    if change.is_nothing:
        raise click.UsageError("say what to change: --add, --remove, --set, --name, … (see --help)")
    return change
