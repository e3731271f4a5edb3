"""`hold add --tag`: the tag that makes a hold visible at Sauce Labs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sauce_janitor import terminal

if TYPE_CHECKING:
    from sauce_janitor.cli.app import Session
    from sauce_janitor.config import Account, Config
    from sauce_janitor.model.jobs import JobId
    from sauce_janitor.model.policies import Match

CONFIGURED_TAG = "the tag of the configuration's hold"
"""The value of --tag without a value."""


def tag_of_option(config: Config, account: Account, text: str | None) -> str | None:
    """Return the tag to set, or None without the option.

    Raises UsageError for a text that cannot be a tag, and for --tag without a value if the
    configuration has no hold by tag.
    """
    from sauce_janitor.model.job_changes import JobChange
    from sauce_janitor.model.jobs import job_id

    known = [hold.tag for hold in config.rules(account.name).holds if hold.tag is not None]
    if text is None:
        return None
    if text == CONFIGURED_TAG:
        if not known:
            raise click.UsageError("--tag: the configuration has no hold by tag; use --tag TAG")
        return known[0]
    # `--tag JOB` was meant to be the option without a value, before a job.
    try:
        job_id(text.lower())
    except ValueError:
        pass
    else:
        raise click.UsageError(f"--tag {text} is a job's id: use --tag at the end, or --tag TAG")
    try:
        JobChange(add=(text,))
    except ValueError as error:
        raise click.UsageError(f"--tag: {error}") from error
    # Tagging is allowed, but who relies on the tag alone would be wrong.
    if text not in known and not any(
        _is_by_tags(hold.match, text) for hold in config.rules(account.name).holds
    ):
        terminal.echo(
            f"No hold of the configuration is by the tag {text!r}: only the local hold protects "
            "the jobs.",
            err=True,
        )
    return text


def _is_by_tags(match: Match | None, tag: str) -> bool:
    """Return whether a hold is by tags, given as globs, and the tag is one of them."""
    from sauce_janitor.model.policies import Atom
    from sauce_janitor.retention.matching import value_test

    return isinstance(match, Atom) and match.field == "tags" and value_test(match)((tag,)) is True


def tag_jobs(
    session: Session, account: Account, ids: frozenset[JobId], tag: str, *, dry_run: bool
) -> int:
    """Add the tag to each job, as `tag --add` does, and return the exit code."""
    from sauce_janitor.cli.account_session import open_account_session
    from sauce_janitor.cli.jobs.change import change_all, find_all
    from sauce_janitor.cli.jobs.change_results import show_results
    from sauce_janitor.model.job_changes import JobChange

    with open_account_session(session, account.name) as opened:
        # The owner of each job is looked up: the hold may be for jobs of several.
        found, code = find_all(opened, sorted(ids), None)
        results, code = change_all(
            opened, found, JobChange(add=(tag,)), yes=True, dry_run=dry_run, code=code
        )
    return show_results(results, code, form="table")
