"""The configuration that `init` writes: commented, valid, and careful enough for a first real run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sauce_janitor.config.credentials import ACCESS_KEY_VARIABLE, USERNAME_VARIABLE
from sauce_janitor.config.loading import from_bytes
from sauce_janitor.config.proposals import Proposal, Seen, held, proposals
from sauce_janitor.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Start:
    """What `init` was told. Either `region` or `base_url`; the variables are None where the usual ones will do."""

    account: str
    region: str | None
    base_url: str | None
    username_env: str | None
    access_key_env: str | None
    timezone: str
    schema_file: str


def starter(start: Start) -> str:
    """The file's text, with examples that are not of any account."""
    return _text(start, _EXAMPLES)


def proposing(start: Start, seen: Seen, path: Path, *, secrets: Sequence[str]) -> tuple[str, int]:
    """Return the text of the file at `path` with policies for the jobs that were seen, and how many.

    A proposal that `check` would fault or warn of, or in which one of the `secrets` stands, is left
    out.
    """
    chosen: list[Proposal] = []
    text = starter(start)
    for each in proposals(seen):
        if any(secret and secret in each.text for secret in secrets):
            continue
        tried = _text(start, _proposed(seen, [*chosen, each]), held_jobs=held(seen))
        if _is_content(tried, path):
            chosen.append(each)
            text = tried
    return text, len(chosen)


def _is_content(text: str, path: Path) -> bool:
    """Whether `check` has nothing to say of it."""
    try:
        return not from_bytes(text.encode(), path, environ=os.environ).warnings
    except ConfigError:
        return False


def _proposed(seen: Seen, chosen: Sequence[Proposal]) -> str:
    head = _PROPOSED.format(seen=seen, whose=seen.whose)
    return head + "".join(each.text for each in chosen)


def _text(start: Start, policies: str, *, held_jobs: int = 0) -> str:
    where = f"region: {start.region}" if start.region else f"base_url: {start.base_url}"
    return _TEMPLATE.format(
        schema=start.schema_file,
        timezone=start.timezone,
        account=f'"{start.account}"' if not start.account[0].isalpha() else start.account,
        where=where,
        credentials=_credentials(start),
        held=f"                      # {held_jobs:,} jobs carry a tag of these two" if held_jobs else "",
        policies=policies,
    )


def _credentials(start: Start) -> str:
    username, access_key = start.username_env, start.access_key_env
    if username is None and access_key is None:
        return _USUAL_CREDENTIALS
    return _NAMED_CREDENTIALS.format(
        username=username or USERNAME_VARIABLE, access_key=access_key or ACCESS_KEY_VARIABLE
    )


_USUAL_CREDENTIALS = """\
    # Who we are: SAUCE_USERNAME and SAUCE_ACCESS_KEY from the environment, else what `saucectl configure` wrote.
    # username: {env: SAUCE_USERNAME}
    # access_key: {env: SAUCE_ACCESS_KEY}   # or {file: /run/secrets/key}, or {command: [pass, show, sauce]}"""
_NAMED_CREDENTIALS = """\
    username: {{env: {username}}}
    access_key: {{env: {access_key}}}     # where it is read from, never the key itself"""
_TEMPLATE = """\
# yaml-language-server: $schema={schema}
# What sauce-janitor keeps, archives and deletes. Whatever is unclear is kept, keep beats delete, and the longest time wins.
#   sauce-janitor check            is this file right?
#   sauce-janitor plan             what would happen, and why (only reads)
#   sauce-janitor run --execute    do it
# Every key: `sauce-janitor schema`, docs/reference/configuration.md.
version: 1
timezone: {timezone}                    # for calendar days, weeks and months, and shown times

accounts:
  {account}:
    {where}
{credentials}
    # users: [me]                    # whose jobs: me, user names, or organization: all its users

archive: {{path: ./archive}}           # paths are relative to this file
state: {{path: ./state.db}}

holds:                               # nothing overrides a hold
  - {{tag: keep}}{held}
  - {{tag_prefix: "keep-until="}}      # keep-until=2027-12-31 holds through that day

limits: {{max_percent: 25}}            # a plan that deletes more than this of all jobs is refused before its first change

policies:
  # Sauce Labs destroys a job's assets 30 days after its end. This stores them before that, and deletes nothing.
  - name: everything-else
    default: true                    # per action, for jobs on which no other policy says anything
    then: {{archive: 24d}}
{policies}"""
_PROPOSED = """\
  # Proposed from {seen} of {whose}.
  # Look at `sauce-janitor plan`, and change what you like. Where several policies match a job, the
  # longest of their times counts, and what one of them keeps is kept.
"""
_EXAMPLES = """\
  # Noise that nobody looks at again: the assets go, proven to be stored; the job itself stays. Name your own builds here.
  - name: pull-requests
    match: {build: "PR-*"}
    then: {archive: 24d, delete_assets: 26d}
  # Keep what helps to find out when it broke:
  # - name: nightly
  #   match: {build: "nightly-*"}
  #   group_by: [name, os, browser]
  #   keep:
  #     - {id: recent, last: 20}
  #     - {id: last-green, last: 1, where: {status: passed}}
  #     - {id: week, within: 7d}
  #   then: {archive: 2h, delete_assets: 10d, delete_job: 180d}
"""
