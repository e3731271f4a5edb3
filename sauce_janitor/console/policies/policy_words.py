"""Policies in words: what they match, do and keep, as the pages show them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sauce_janitor.counts import counted
from sauce_janitor.model.jobs import Action
from sauce_janitor.model.match_text import keep_phrase, phrase
from sauce_janitor.model.policies import ArchiveRule, DeleteRule, Duration, Hold, Limits, Policy

_LONGEST: Final = 400


def match_words(policy: Policy) -> str | None:
    """Return what a policy matches; None for a default, which has no match of its own."""
    words = phrase(policy.match, _LONGEST)
    return None if policy.default and words == "all" else words


def action_words(policy: Policy) -> Iterator[tuple[Action, str]]:
    """Yield each action that the policy states, and when and how it happens."""
    if policy.archive is not None:
        yield Action.ARCHIVE, "; ".join(_archive_words(policy.archive))
    for action, rule in policy.deletes:
        yield action, _delete_words(rule)
    if policy.stop is not None:
        yield Action.STOP, f"{policy.stop.text} after the start, if it still runs"


def _archive_words(rule: ArchiveRule) -> Iterator[str]:
    if rule.none:
        yield "nothing is archived"
        return
    yield _after(rule.after)
    if rule.assets != ("all",):
        yield f"only {', '.join(rule.assets)}"
    if rule.discard_rest:
        yield "other files are deleted without a copy"
    if rule.only_kept:
        yield "only jobs that a keep rule keeps"
    if rule.if_purged == "keep":
        yield "a job stays if its assets were purged before"
    if rule.if_unavailable is not None:
        yield f"deletes wait {rule.if_unavailable.text} for files that cannot be downloaded"
    for key, keep_for in rule.keep_for:
        how_long = "forever" if keep_for is None else keep_for.text
        yield f"the archive keeps {key} {how_long}"


def _delete_words(rule: DeleteRule) -> str:
    return "never" if rule.after is None else _after(rule.after)


def _after(duration: Duration) -> str:
    is_now = duration.seconds == duration.months == 0
    return "as soon as the job ends" if is_now else f"{duration.text} after the end"


def keep_words(policy: Policy) -> Iterator[tuple[str, str, str]]:
    """Yield each keep rule: its name, its words, and what it protects from."""
    for rule in policy.keep:
        yield rule.id, keep_phrase(rule), "every delete"
    for action, delete in policy.deletes:
        for rule in delete.keep:
            yield rule.id, keep_phrase(rule), action.value.replace("_", " ")


def setting_words(policy: Policy) -> Iterator[str]:
    """Yield what else the policy says, as sentences."""
    if policy.default:
        yield "Decides only what no other policy decides."
    if policy.unit == "build":
        yield "Decides on whole builds."
    if policy.group_by:
        yield f"Keep rules count in each group of {', '.join(policy.group_by)}."
        if policy.null_group == "shared":
            yield "Jobs without one of these fields share a group."
    if policy.overrides == "all":
        yield "Overrides all other policies."
    elif policy.overrides:
        yield f"Overrides {', '.join(policy.overrides)}."
    if policy.priority != "normal":
        yield f"Runs with {policy.priority} priority."
    yield from _limit_words(policy.limits)


def _limit_words(limits: Limits) -> Iterator[str]:
    if limits.max_jobs is not None:
        yield f"A plan may delete at most {counted(limits.max_jobs, 'job')} by it."
    if limits.max_percent is not None:
        yield f"A plan may delete at most {limits.max_percent:g} % of its jobs."
    if limits.max_growth is not None:
        yield f"A plan may be at most {limits.max_growth:g} times as large as usual."


def hold_words(hold: Hold) -> str:
    """Return which jobs a hold of the configuration holds."""
    if hold.tag is not None:
        return f"tag: {hold.tag}"
    if hold.tag_prefix is not None:
        return f"tag: {hold.tag_prefix}*"
    return "" if hold.match is None else phrase(hold.match, _LONGEST)
