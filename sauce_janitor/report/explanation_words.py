"""What an explanation says, in words: outlooks, policies, rules, groups and keep rules."""

from __future__ import annotations

from itertools import chain

from sauce_janitor.counts import counted
from sauce_janitor.model.jobs import DELETES, Action, AssetsStanding, Verdict, Why
from sauce_janitor.retention.what_if.explain import Explanation, Outlook, PolicyView, RuleView
from sauce_janitor.retention.what_if.keep_forecast import KeepView
from sauce_janitor.times import when


def follower(explanation: Explanation) -> Outlook | None:
    """Return the outlook of `delete_assets` if no policy deletes the assets alone, but the job will
    be deleted, and they with it: "keep" would be true of the action, and not of the assets.
    """
    if explanation.record.assets is not AssetsStanding.PRESENT:
        return None
    by_action = {outlook.decision.action: outlook for outlook in explanation.outlooks}
    alone, whole = by_action[Action.DELETE_ASSETS], by_action[Action.DELETE_JOB]
    is_left_out = {reason.why for reason in alone.decision.reasons} == {Why.NO_POLICY}
    return alone if is_left_out and whole.expected_at is not None else None


def is_idle(outlook: Outlook) -> bool:
    """Return whether the outlook is left out: no policy would stop the job."""
    decision = outlook.decision
    # Hardly any policy stops jobs, so the row would say "no" for nearly every job.
    quiet = {reason.why for reason in decision.reasons} <= {Why.NO_POLICY, Why.DONE}
    return decision.action is Action.STOP and decision.verdict is Verdict.KEEP and quiet


def outlook_reasons(outlook: Outlook) -> list[str]:
    """Return the job's own reasons; if it has none, those that protect its assets."""
    reasons = outlook.decision.reasons
    # What protects the assets blocks the job delete as well; the row of the assets says so already.
    own = [reason for reason in reasons if reason.why is not Why.ASSETS_PROTECTED]
    # The column before says "done" already.
    if all(reason.why is Why.DONE for reason in own or reasons):
        return []
    return [reason.text for reason in own or reasons]


def outlook_time(outlook: Outlook) -> str:
    """Return when the action comes: `due now`, `keep until …`, `done`."""
    fate, decision = outlook.forecast, outlook.decision
    if decision.verdict is Verdict.DUE:
        return f"due since {when(decision.due_since)}" if decision.due_since else "due now"
    if any(reason.why is Why.DONE for reason in decision.reasons):
        return "done"
    at = None if outlook.expected_at is None else f"about {when(outlook.expected_at)}"
    if fate.at is not None:
        at = when(fate.at)
    if decision.action in DELETES:
        return f"keep until {at}" if at else "keep"
    return at or "no"


def precedence_text(view: PolicyView) -> str:
    """Return whether a policy decides about the job, and what overrides it."""
    # What cannot be read counts in favour of the job: it may protect, and never delete.
    if view.matches is None:
        return (
            f"may match: {', '.join(view.unknown_fields)} is unknown, so it can only keep the job"
        )
    if view.speaks or not view.rule_views:
        return "matches" if view.rule_views else "matches, and decides no action"
    names = ", ".join(sorted(set(chain.from_iterable(word.by for word in view.rule_views))))
    if all(word.standing == "steps_back" for word in view.rule_views):
        return f"does not apply: it is the default, and all of its actions are decided by {names}"
    return f"is overridden by {names}"


def rule_time(word: RuleView) -> str:
    """Return when a rule acts: `after 10d`, `never`."""
    if word.after is not None:
        return f"after {word.after}"
    if word.standing != "counts":
        return "-"
    # As in the policy: `archive: none`. A delete without a time never comes.
    return "none" if word.action is Action.ARCHIVE else "never"


def rule_text(word: RuleView) -> str:
    """Return how a rule stands, from when it acts, and what keeps the job."""
    if word.standing == "overridden":
        return f"overridden by {', '.join(word.by)}"
    if word.standing == "steps_back":
        return f"left to {', '.join(word.by)}: it is the default"
    if word.standing == "vetoes":
        return "can only keep the job"
    parts = [f"from {when(word.due_at)}"] if word.due_at is not None else []
    if word.files is not None and word.after is not None:
        parts.append(f"assets: {word.files}")
    if word.kept_by:
        parts.append(f"kept by {', '.join(word.kept_by)}")
    return ", ".join(parts)


def group_text(view: PolicyView) -> str:
    """Return the job's rank among the jobs that the policy groups it with."""
    group = f"in its group ({', '.join(view.group)})" if view.group else "in this policy"
    if view.rank:
        return f"rank {view.rank} of {view.of} {group}, newest first"
    others = "no job counts" if not view.of else f"{counted(view.of, 'job')} count"
    return f"does not count {group}, where {others}"


def keep_text(keep: KeepView) -> str:
    """Return what a keep rule says, whether it keeps the job, and until when."""
    if keep.rank is None:
        # A rule keeps a job when a field that it needs is unknown.
        result = "does not count this job"
        if keep.keeps:
            result = "keeps it, because it is unknown whether it counts this job"
        return f"{keep.text}; {result}"
    verdict = "keeps it" if keep.keeps else "does not keep it"
    words = f"{keep.text}; rank {keep.rank} of {keep.of} that count; {verdict}"
    if not keep.keeps:
        return words
    # Only newer jobs could end it, and at the present rate none come.
    if keep.lets_go_at is None:
        return f"{words} until newer ones take its place"
    if keep.exact:
        return f"{words} until {when(keep.lets_go_at)}"
    return (
        f"{words} until about {when(keep.lets_go_at)}, if {keep.per_day:.2g} new jobs a day count"
    )
