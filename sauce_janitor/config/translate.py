"""Turns the grammar of the file into the values that decide: the `Rules` of each account."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

from sauce_janitor.config.grammar.actions import ArchiveTerm, DeleteTerm, Then, Unavailable
from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.grammar.keep import KeepRuleTerm
from sauce_janitor.config.grammar.matches import Conditions
from sauce_janitor.config.grammar.patterns import NamedList, PatternTerm
from sauce_janitor.config.grammar.policies import HoldTerm, LimitsTerm, PolicyTerm
from sauce_janitor.config.rule_names import distinct, hold_name, keep_names, kind_of_rule
from sauce_janitor.model import policies
from sauce_janitor.model.globs import exactly, is_plain
from sauce_janitor.model.jobs import DELETES, Action
from sauce_janitor.model.policies import (
    EVERYTHING,
    OTHER_FILES,
    Approval,
    Atom,
    Duration,
    Glob,
    Match,
    Pattern,
    Rules,
)

Lists = Mapping[str, list[Pattern]]
_SAME_WORD = {"errored": "error"}
_STATUS_FIELDS = ("status",)


def rules_for(file: ConfigFile, account: str) -> Rules:
    """Return everything that decides for the account, with `accounts:` selections applied."""
    zone = ZoneInfo(file.timezone)
    lists: Lists = file.lists
    return Rules(
        timezone=zone,
        policies=tuple(
            _policy(term, lists) for term in file.policies if _is_for(term.accounts, account)
        ),
        holds=_holds([term for term in file.holds if _is_for(term.accounts, account)], lists, zone),
        forbid=tuple(
            policies.Forbid(_match(term.match, lists), tuple(term.assets))
            for term in file.archive.forbid
        ),
        age_from=tuple(file.defaults.age_from),
        grace=file.defaults.grace,
        limits=_limits(file.limits),
        deadlines=tuple(
            policies.Deadline(
                term.name,
                _match(term.match, lists),
                term.assets_gone_by,
                term.job_gone_by,
                term.warn,
            )
            for term in file.deadlines
            if _is_for(term.accounts, account)
        ),
    )


def approvals_for(file: ConfigFile, account: str) -> tuple[Approval, ...]:
    """Return all approvals for the account, also those that are over or for another digest."""
    zone = ZoneInfo(file.timezone)
    return tuple(
        Approval(
            term.policy_digest,
            end_of(term.until, zone),
            frozenset(term.lift),
            term.max_jobs,
            term.by,
            term.reason,
        )
        for term in file.approvals
        if term.account == account
    )


def _is_for(accounts: list[str] | None, account: str) -> bool:
    return accounts is None or account in accounts


def _limits(term: LimitsTerm) -> policies.Limits:
    return policies.Limits(term.max_jobs, term.max_percent, term.max_growth)


def _policy(term: PolicyTerm, lists: Lists) -> policies.Policy:
    overrides: policies.Overrides = (
        term.overrides if term.overrides == "all" else tuple(term.overrides or ())
    )
    return policies.Policy(
        name=term.name,
        # Only a default policy may have no match.
        match=_match(term.match, lists) if term.match is not None else EVERYTHING,
        unit=term.unit,
        group_by=tuple(term.group_by or ()),
        null_group=term.null_group,
        keep=_keeps(term.keep, lists),
        archive=_archive(term.then),
        deletes=_deletes(term.then, lists),
        stop=term.then.stop,
        default=term.default,
        overrides=overrides,
        priority=term.priority,
        limits=_limits(term.limits),
    )


def _archive(then: Then) -> policies.ArchiveRule | None:
    term = then.archive
    if term is None:
        return None
    if isinstance(term, Duration):
        return policies.ArchiveRule(after=term)
    # The word `none` is left. It differs from no `archive` at all, which says nothing.
    if not isinstance(term, ArchiveTerm):
        return policies.ArchiveRule(none=True)
    # `*` and `[all, logs]` mean the same as `all`: one spelling of it makes one policy digest.
    return policies.ArchiveRule(
        after=term.after,
        assets=("all",) if {"all", "*"} & set(term.assets) else tuple(term.assets),
        discard_rest=term.discard == "rest",
        only_kept=term.only == "kept",
        if_purged=term.if_purged,
        if_unavailable=term.if_unavailable.proceed
        if isinstance(term.if_unavailable, Unavailable)
        else None,
        keep_for=_keep_for(term),
    )


def _keep_for(term: ArchiveTerm) -> tuple[tuple[str, Duration | None], ...]:
    """Return how long the archive keeps each class, empty forever.

    The pairs are sorted: the order in the file must not change the policy digest.
    """
    if term.keep_for is None:
        return ()
    times = {OTHER_FILES: term.keep_for} if isinstance(term.keep_for, Duration) else term.keep_for
    return tuple(sorted(times.items()))


def _deletes(then: Then, lists: Lists) -> tuple[tuple[Action, policies.DeleteRule], ...]:
    rules = []
    for action in DELETES:
        term = getattr(then, action.value)
        # A rule without a duration is `never`: it keeps, where no rule at all would be no opinion.
        if isinstance(term, DeleteTerm):
            after = term.after if isinstance(term.after, Duration) else None
            rules.append((action, policies.DeleteRule(after, _keeps(term.keep, lists))))
        elif term is not None:
            after = term if isinstance(term, Duration) else None
            rules.append((action, policies.DeleteRule(after)))
    return tuple(rules)


def _keep(term: KeepRuleTerm, name: str, lists: Lists) -> policies.KeepRule:
    kind = kind_of_rule(term)
    value = getattr(term, kind)
    return policies.KeepRule(
        id=name,
        kind=kind,
        count=value if isinstance(value, int) else 0,
        duration=value if isinstance(value, Duration) else None,
        since=_match(value, lists) if kind == "since_last" else None,
        where=_match(term.where, lists) if term.where is not None else None,
        pick=tuple(term.pick or ("newest",)),
        nonempty=term.nonempty,
    )


def _keeps(terms: list[KeepRuleTerm], lists: Lists) -> tuple[policies.KeepRule, ...]:
    return tuple(
        _keep(term, name, lists) for term, name in zip(terms, keep_names(terms), strict=True)
    )


def _holds(terms: list[HoldTerm], lists: Lists, zone: ZoneInfo) -> tuple[policies.Hold, ...]:
    # A position in the file would be no good name: plans must call the hold the same after an edit.
    ids = distinct(hold_name(term) or _hash_of(term, lists) for term in terms)
    return tuple(
        policies.Hold(
            id=name,
            tag=term.tag if term.tag is not None and is_plain(term.tag) else None,
            tag_prefix=term.tag_prefix,
            match=_held_match(term, lists),
            until=None if term.until is None else end_of(term.until, zone),
            reason=term.reason,
            by=term.by,
            archive=term.archive is None,
        )
        for term, name in zip(terms, ids, strict=True)
    )


def _held_match(term: HoldTerm, lists: Lists) -> Match | None:
    """Return what a hold matches, None if it is a plain tag or a prefix.

    A tag such as `[keep]` may be meant as text or as a glob: a job that has either is held.
    """
    if term.tag is not None and not is_plain(term.tag):
        return Atom("tags", (Glob(term.tag), Glob(exactly(term.tag))))
    return _match(term.match, lists) if term.match is not None else None


def _hash_of(term: HoldTerm, lists: Lists) -> str:
    assert term.match is not None
    return f"hold {hashlib.sha256(repr(_match(term.match, lists)).encode()).hexdigest()[:8]}"


def end_of(until: dt.date | dt.datetime, zone: ZoneInfo) -> int:
    """Return the first second after `until`: the midnight after its day, or the moment itself."""
    if isinstance(until, dt.datetime):
        return int(until.timestamp())
    # The next midnight of the zone, not 24 hours later: days with a change of clocks are longer or
    # shorter.
    return int(dt.datetime.combine(until + dt.timedelta(days=1), dt.time(), zone).timestamp())


def _match(term: Conditions | str, lists: Lists) -> Match:
    if isinstance(term, str):
        return EVERYTHING
    parts: list[Match] = []
    # Everything in one mapping must be true: nested conditions, fields and custom data.
    if term.all_of is not None:
        parts.append(policies.AllOf(tuple(_match(part, lists) for part in term.all_of)))
    if term.any_of is not None:
        parts.append(policies.AnyOf(tuple(_match(part, lists) for part in term.any_of)))
    if term.not_ is not None:
        parts.append(policies.Not(_match(term.not_, lists)))
    fields: dict[str, list[PatternTerm]] = {
        name: getattr(term, name) for name in policies.FIELDS if name in term.model_fields_set
    } | dict(term.model_extra or {})
    # `model_extra` has the custom data, whose keys the grammar does not know in advance.
    parts += [
        Atom(name, tuple(_patterns(name, patterns, lists))) for name, patterns in fields.items()
    ]
    return parts[0] if len(parts) == 1 else policies.AllOf(tuple(parts))


def _patterns(name: str, patterns: list[PatternTerm], lists: Lists) -> Iterable[Pattern]:
    for pattern in patterns:
        resolved = lists[pattern.name] if isinstance(pattern, NamedList) else [pattern]
        for each in resolved:
            # `errored` is another spelling of `error`, which is the one that known jobs have.
            if name in _STATUS_FIELDS and isinstance(each, Glob):
                yield Glob(_SAME_WORD.get(each.pattern, each.pattern))
            else:
                yield each
