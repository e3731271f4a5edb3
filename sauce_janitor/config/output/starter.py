"""The configuration file that `init` writes: commented, valid, and safe for a first real run."""

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
    """The options of `init`.

    Either `region` or `base_url` is set. The variables are None if the usual ones are used.
    """

    account: str
    region: str | None
    base_url: str | None
    username_env: str | None
    access_key_env: str | None
    timezone: str
    schema_file: str


def starter(start: StarterOptions) -> str:
    """Return the text of the file with made-up examples."""
    return _text(start, _EXAMPLES)


def proposing(
    start: StarterOptions, sample: JobSample, path: Path, *, secrets: Sequence[str]
) -> tuple[str, int]:
    """Return the text of the file at `path` with policies for the jobs of the sample, and how many.

    A proposal is left out if `check` would report it or warn of it, or if one of the `secrets` is
    in it.
    """
    chosen: list[Proposal] = []
    text = starter(start)
    for each in proposals(sample):
        # A test may put an access key into a name or a tag, and this file will be committed.
        if any(secret and secret in each.text for secret in secrets):
            continue
        candidate = _text(start, _proposed(sample, [*chosen, each]), held_jobs=held(sample))
        # Each proposal is tried in the whole file, because two of them together can be a problem.
        if _is_clean(candidate, path):
            chosen.append(each)
            text = candidate
    return text, len(chosen)


def _is_clean(text: str, path: Path) -> bool:
    """Return whether `check` would find no problem and no warning."""
    try:
        return not from_bytes(text.encode(), path, environ=os.environ).warnings
    except ConfigError:
        return False


def _proposed(sample: JobSample, chosen: Sequence[Proposal]) -> str:
    head = _PROPOSED.format(seen=sample, whose=sample.whose)
    return head + "".join(each.text for each in chosen)


def _text(start: StarterOptions, policies: str, *, held_jobs: int = 0) -> str:
    counted = ""
    if held_jobs:
        jobs_have = "1 job has" if held_jobs == 1 else f"{held_jobs:,} jobs have"
        counted = f"                      # {jobs_have} one of these two tags"
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
    # Default: SAUCE_USERNAME and SAUCE_ACCESS_KEY, otherwise what `saucectl configure` wrote.
    # username: {env: SAUCE_USERNAME}
    # access_key: {env: SAUCE_ACCESS_KEY}
    # access_key: {file: /run/secrets/key}           # or this
    # access_key: {command: [pass, show, sauce]}     # or this"""
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
timezone: {timezone}                    # for calendar periods and for times on the screen

accounts:
  {account}:
    {where}
{credentials}
    # users: [me]                    # whose jobs: me, user names, {{team: NAME}}, organization

archive: {{path: ./archive}}           # relative to this file
state: {{path: ./state.db}}

holds:                               # jobs that no policy may delete
  - {{tag: keep}}{held}
  - {{tag_prefix: "keep-until="}}      # keep-until=2027-12-31 holds through that day

limits: {{max_percent: 25}}            # refuse plans that newly delete or stop over 25 % of jobs

policies:
  # Sauce Labs destroys assets 30 days after a job's end. This policy archives them before that,
  # and deletes nothing.
  - name: everything-else
    default: true                    # decides an action only if no other policy does
    then: {{archive: 24d}}
{policies}"""
_PROPOSED = """\
  # Proposed from {seen} of {whose}.
  # Review them with `sauce-janitor plan`, and change what you like. If several policies match a
  # job, the longest time counts, and one `keep` is enough to keep it.
"""
_EXAMPLES = """\
  # Example: archive the assets of pull requests, then delete them at Sauce Labs. The job stays.
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
