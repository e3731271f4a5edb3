"""Warnings about policies that are valid but probably not what their author wants.

They are only those that the file itself shows; a run finds more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sauce_janitor.config.grammar.actions import ArchiveTerm, DeleteTerm
from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.grammar.policies import PolicyTerm
from sauce_janitor.config.lints.keep_rule_lints import keep_rule_warnings
from sauce_janitor.config.lints.overrides import idle_overrides
from sauce_janitor.config.lints.vocabulary import foreign_words
from sauce_janitor.config.source.cron import Cron
from sauce_janitor.config.source.problems import Path, shown
from sauce_janitor.config.source.yaml import Document, Table, Value
from sauce_janitor.errors import Problem
from sauce_janitor.model.durations import approximately
from sauce_janitor.model.policies import Duration, Rules
from sauce_janitor.model.safety_numbers import DAY_S, PURGED_AFTER_S
from sauce_janitor.retention.interactions import Postponement, foreseen

_LATEST_ARCHIVE_S = 25 * DAY_S
"""Five days before the purge: time for later runs, if one fails or its requests run out."""
_TOO_LATE = "Sauce Labs purges assets after 30 days; archive at 25d or earlier"


def lint(
    file: ConfigFile, document: Document, rules: Mapping[str, Rules], digests: Mapping[str, str]
) -> tuple[Problem, ...]:
    """Return all warnings in the order of the file. `rules` and `digests` are by account."""
    found = [*_of_file(file, document), *idle_overrides(file, rules)]
    for index, approval in enumerate(file.approvals):
        # Not an error: the approval of an earlier file is harmless, and the next plan prints the
        # new one.
        if approval.policy_digest != digests[approval.account]:
            message = (
                f"lifts nothing: the policy digest of {approval.account} is now"
                f" {digests[approval.account]}"
            )
            found.append((("approvals", index, "policy_digest"), message))
    for index, policy in enumerate(file.policies):
        found += [((("policies", index, *path)), message) for path, message in _of_policy(policy)]
    found += _postponed(file, rules)
    if isinstance(document.root, Table):
        found += foreign_words(document.root)
    problems = document.problems
    return problems.in_order(
        (problems.place_of(path), problems.problem(path, message)) for path, message in found
    )


def _postponed(file: ConfigFile, rules: Mapping[str, Rules]) -> Iterator[tuple[Path, str]]:
    """Yield times that never apply, because another policy with a longer time matches all jobs."""
    places = {policy.name: index for index, policy in enumerate(file.policies)}
    accounts: dict[Postponement, list[str]] = {}
    for account, of_account in rules.items():
        for each in foreseen(of_account):
            # A warning for a file must be right for every job; what only may happen is shown by
            # `plan` and `explain`.
            if each.is_certain:
                accounts.setdefault(each.postponement, []).append(account)
    for postponement, names in accounts.items():
        all_names = [
            name
            for name, of_account in rules.items()
            if any(policy.name == postponement.policy for policy in of_account.policies)
        ]
        where = f" in account {' and '.join(names)}" if names != all_names else ""
        other = postponement.by
        message = (
            f"{postponement.after}: never applies{where}, because {other} matches all of its jobs"
            f" and says {postponement.until}, and the longest time wins; `overrides: [{other}]`"
            f" lets {postponement.after} count"
        )
        yield ("policies", places[postponement.policy], "then", postponement.action.value), message


def _of_file(file: ConfigFile, document: Document) -> Iterator[tuple[Path, str]]:
    if not file.policies:
        yield (
            (),
            (
                "has no policies: everything is kept and nothing is archived; `sauce-janitor init`"
                " writes examples"
            ),
        )
    # Fine on one machine. A second one would not find what the first archived, and be refused.
    if file.state.url is not None and file.archive.url is None:
        yield (
            ("archive",),
            (
                "is a folder, but several machines can share the state of state.url. If they do,"
                " set archive.url, or mount one disk at this folder on all of them"
            ),
        )
    used = _lists_used(document.root) if file.lists else set()
    yield from _of_crons(file)
    yield from (
        (("lists", name), "is not used by any policy or hold")
        for name in file.lists
        if name not in used
    )


def _of_crons(file: ConfigFile) -> Iterator[tuple[Path, str]]:
    """Yield schedules that other programs read in another way."""
    crons: list[tuple[Path, Cron | None]] = [(("schedule", "cron"), file.schedule.cron)]
    for name, account in file.accounts.items():
        own = account.schedule
        crons.append((("accounts", name, "schedule", "cron"), own.cron if own else None))
    for path, cron in crons:
        if (
            cron is not None
            and cron.needs_both_days
            and cron.days is not None
            and cron.weekdays is not None
        ):
            meaning = (
                "means days that fit both the day and the weekday, because one of them begins"
                " with `*`"
            )
            other = "Kubernetes takes either; write a range such as 1-31/2 or 0-6/2 for either"
            yield path, f"{shown(cron.text)} {meaning}, as in cron ({other})"


def _lists_used(value: Value) -> set[str]:
    """Return the names in all `{in: NAME}` of the file."""
    if isinstance(value, Table):
        named = value.get("in")
        return {named} if isinstance(named, str) else set().union(*map(_lists_used, value.values()))
    return set().union(*map(_lists_used, value)) if isinstance(value, list) else set()


def _of_policy(policy: PolicyTerm) -> Iterator[tuple[Path, str]]:
    then = policy.then
    assets, job = _after(then.delete_assets), _after(then.delete_job)
    archive = _archive_after(policy)
    if assets is not None and approximately(assets) >= PURGED_AFTER_S:
        yield (
            ("then", "delete_assets"),
            f"{assets.text}: Sauce Labs purges assets after 30 days, so this deletes nothing",
        )
    if archive is not None and approximately(archive) > _LATEST_ARCHIVE_S:
        yield (
            ("then", "archive"),
            f"{archive.text}: {_TOO_LATE}{_keep_for_meant(policy, archive)}",
        )
    if assets is not None and job is not None and approximately(job) < approximately(assets):
        yield (
            ("then", "delete_job"),
            (
                f"{job.text}: a job with assets stays until delete_assets ({assets.text}), because"
                " the longer time wins"
            ),
        )
    first = min((approximately(age) for age in (assets, job) if age is not None), default=None)
    # Not wrong, but the delete then happens later than it says.
    if first is not None and archive is not None and approximately(archive) > first:
        yield ("then", "archive"), f"{archive.text} is later than the delete, which waits for it"
    yield from _held_too_short(policy)
    yield from keep_rule_warnings(policy, archives=archive is not None)


def _keep_for_meant(policy: PolicyTerm, archive: Duration) -> str:
    """Return what to write instead of `archive: 1y`, which is probably meant as `keep_for`."""
    term = policy.then.archive
    if approximately(archive) <= PURGED_AFTER_S or (
        isinstance(term, ArchiveTerm) and term.keep_for is not None
    ):
        return ""
    return (
        f"; to keep archived files for {archive.text}, write {{after: 5d, keep_for:"
        f" {archive.text}}}"
    )


def _held_too_short(policy: PolicyTerm) -> Iterator[tuple[Path, str]]:
    """Yield a `keep_for` that ends before the policy's own delete; it counts from the archiving."""
    term, then = policy.then.archive, policy.then
    if not isinstance(term, ArchiveTerm) or term.keep_for is None:
        return
    times = [term.keep_for] if isinstance(term.keep_for, Duration) else list(term.keep_for.values())
    shortest = min((time for time in times if time is not None), key=approximately, default=None)
    deletes = [
        ("delete_assets", _after(then.delete_assets)),
        ("delete_job", _after(then.delete_job)),
    ]
    known = [(name, after) for name, after in deletes if after is not None]
    if shortest is None or not known:
        return
    # The first delete is the one that destroys the originals of the archived files.
    name, after = min(known, key=lambda each: approximately(each[1]))
    if approximately(term.after) + approximately(shortest) < approximately(after):
        message = (
            f"{shortest.text} ends before {name} ({after.text}): the copy is removed before the"
            " original"
        )
        yield ("then", "archive", "keep_for"), message


def _after(term: object) -> Duration | None:
    after = term.after if isinstance(term, DeleteTerm) else term
    return after if isinstance(after, Duration) else None


def _archive_after(policy: PolicyTerm) -> Duration | None:
    term = policy.then.archive
    after = term.after if isinstance(term, ArchiveTerm) else term
    return after if isinstance(after, Duration) else None
