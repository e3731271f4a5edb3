"""The configuration that `init` writes: commented, valid, and careful enough for a first real
run.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sauce_janitor.config.loader import from_bytes
from sauce_janitor.config.output.proposals import JobSample, Proposal, held, proposals
from sauce_janitor.config.secrets import ACCESS_KEY_VARIABLE, USERNAME_VARIABLE
from sauce_janitor.errors import ConfigError


@dataclass(frozen=True, slots=True)
class StarterOptions:
    """What `init` was told. Either `region` or `base_url`; the variables are None where the usual
    ones will do.
    """

    account: str
    region: str | None
    base_url: str | None
    username_env: str | None
    access_key_env: str | None
    timezone: str
    schema_file: str


def starter(start: StarterOptions) -> str:
    """The file's text, with examples that are not of any account."""
    return _text(start, _EXAMPLES)


def proposing(
    start: StarterOptions, seen: JobSample, path: Path, *, secrets: Sequence[str]
) -> tuple[str, int]:
    """Return the text of the file at `path` with policies for the jobs that were seen, and how
    many.

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


def _proposed(seen: JobSample, chosen: Sequence[Proposal]) -> str:
    head = _PROPOSED.format(seen=seen, whose=seen.whose)
    return head + "".join(each.text for each in chosen)


def _text(start: StarterOptions, policies: str, *, held_jobs: int = 0) -> str:
    counted = (
        f"                      # {held_jobs:,} jobs have one of these two tags"
        if held_jobs
        else ""
    )
    where = f"region: {start.region}" if start.region else f"base_url: {start.base_url}"
    return _TEMPLATE.format(
        schema=start.schema_file,
        timezone=start.timezone,
        account=f'"{start.account}"' if not start.account[0].isalpha() else start.account,
        where=where,
        credentials=_credentials(start),
        held=counted,
        policies=policies,
    )


def _credentials(start: StarterOptions) -> str:
    username, access_key = start.username_env, start.access_key_env
    if username is None and access_key is None:
        return _USUAL_CREDENTIALS
    return _NAMED_CREDENTIALS.format(
        username=username or USERNAME_VARIABLE, access_key=access_key or ACCESS_KEY_VARIABLE
    )


_USUAL_CREDENTIALS = """\
    # Default: SAUCE_USERNAME and SAUCE_ACCESS_KEY from the environment, else what `saucectl configure` wrote.
    # username: {env: SAUCE_USERNAME}
    # access_key: {env: SAUCE_ACCESS_KEY}   # or {file: /run/secrets/key}, or {command: [pass, show, sauce]}"""
_NAMED_CREDENTIALS = """\
    username: {{env: {username}}}
    access_key: {{env: {access_key}}}     # where to read the key, never the key itself"""
_TEMPLATE = """\
# yaml-language-server: $schema={schema}
# What sauce-janitor archives, deletes and keeps. If anything is unclear, it keeps the job.
#   sauce-janitor check            check this file
#   sauce-janitor plan             show what would happen, and why; change nothing at Sauce Labs
#   sauce-janitor run --execute    do it
# All keys: `sauce-janitor schema --format markdown`
version: 1
timezone: {timezone}                    # for calendar days, weeks and months, and for times on screen

accounts:
  {account}:
    {where}
{credentials}
    # users: [me]                    # whose jobs: me, user names, a {{team: NAME}}, or organization for all users

archive: {{path: ./archive}}           # relative to this file
state: {{path: ./state.db}}

holds:                               # jobs that no policy may delete
  - {{tag: keep}}{held}
  - {{tag_prefix: "keep-until="}}      # keep-until=2027-12-31 holds through that day

limits: {{max_percent: 25}}            # refuse a plan that newly deletes or stops more than 25 % of the jobs

policies:
  # Sauce Labs destroys assets 30 days after a job's end. This policy archives them before that, and deletes nothing.
  - name: everything-else
    default: true                    # decides an action only if no other policy does
    then: {{archive: 24d}}
{policies}"""
_PROPOSED = """\
  # Proposed from {seen} of {whose}.
  # Review them with `sauce-janitor plan`, and change what you like. If several policies match a job, the longest
  # time counts, and one `keep` is enough to keep it.
"""
_EXAMPLES = """\
  # Example: archive the assets of pull requests, then delete them at Sauce Labs. The job itself stays.
  - name: pull-requests
    match: {build: "PR-*"}
    then: {archive: 24d, delete_assets: 26d}
  # Example: keep the runs that show when a test began to fail.
  # - name: nightly
  #   match: {build: "nightly-*"}
  #   group_by: [name, os, browser]
  #   keep:
  #     - {id: recent, last: 20}
  #     - {id: last-green, last: 1, where: {status: passed}}
  #     - {id: week, within: 7d}
  #   then: {archive: 2h, delete_assets: 10d, delete_job: 180d}
"""
