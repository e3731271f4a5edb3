"""Combines rules, holds, age and announcements into the decisions on a job. This rule exists only
here; it is one module so that it can be read at once.

Keep beats delete, the longest time wins, and whatever is unclear is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from sauce_janitor.model.assets import Selection, covers
from sauce_janitor.model.jobs import (
    DELETES,
    Action,
    Decision,
    Reason,
    Verdict,
    Why,
)
from sauce_janitor.retention import holds
from sauce_janitor.retention.interactions import Postponement, postponements
from sauce_janitor.retention.job_verdict import (
    AGELESS,
    ASSETS_ANNOUNCED,
    ASSETS_PURGED,
    GONE,
    HELD,
    JOB_ANNOUNCED,
    RUNNING,
    SET_ASIDE,
    UNFINISHED,
    DueAction,
    JobVerdict,
)
from sauce_janitor.retention.match_cases import AppliedRule, MatchCase
from sauce_janitor.retention.missing_files import Gaps

_ANNOUNCED: Final = {Action.DELETE_ASSETS: ASSETS_ANNOUNCED, Action.DELETE_JOB: JOB_ANNOUNCED}
_ORDER: Final = {why: n for n, why in enumerate(Why)}
_MUTE: Final = Reason(
    Why.NOT_ARCHIVED, detail="no policy says what to archive: write `archive: none` if nothing"
)
_PURGED: Final = "Sauce Labs has purged its assets, and if_purged says keep"


@dataclass(frozen=True, slots=True)
class _Blocker:
    """What forbids an action; `passes` when only time has to pass and the grace period has
    begun.
    """

    reason: Reason
    passes: bool = False


class VerdictMaker:
    """Makes the verdict on jobs of one case with these flags, with these selections archived."""

    def __init__(
        self,
        case: MatchCase,
        flags: int,
        archived: frozenset[str] | None,
        *,
        has_grace: bool,
        gaps: Gaps | None = None,
    ) -> None:
        self._case, self._flags, self._archived, self._has_grace = (
            case,
            flags,
            archived,
            has_grace,
        )
        self._holds = case.holds + ((holds.LOCAL_HOLD,) if flags & HELD else ())
        self._due_claims: dict[Action, tuple[AppliedRule, ...]] = {}
        self._archiving = [
            claim
            for claim in case.claims[Action.ARCHIVE]
            if not claim.undecided and self._wants(claim)
        ]
        self._whole = bool(flags & HELD) or case.archived_by_hold
        self._selection = self._select()
        self._lacks, self._gives_up_at = self._look_for_gaps(gaps)

    def rule(self) -> JobVerdict:
        """Return the decisions on all four actions."""
        archive = self._archive()
        assets_blockers = self._with_grace(
            Action.DELETE_ASSETS, self._blockers(Action.DELETE_ASSETS)
        )
        job_blockers = self._blockers(Action.DELETE_JOB)
        # Deleting the job deletes its assets: what protects them protects the job.
        if not self._flags & GONE:
            job_blockers += [_protected(blocker) for blocker in assets_blockers]
        job_blockers = self._with_grace(Action.DELETE_JOB, job_blockers)
        announce = []
        deletes = []
        for action, blockers in (
            (Action.DELETE_ASSETS, assets_blockers),
            (Action.DELETE_JOB, job_blockers),
        ):
            decision, announced = self._delete(action, blockers, archive)
            deletes.append(decision)
            announce += [action] if announced else []
        # One DELETE of the job does both.
        if all(decision.verdict is Verdict.DUE for decision in deletes):
            with_it = (*deletes[0].reasons, Reason(Why.WITH_THE_JOB))
            deletes[0] = Decision(Action.DELETE_ASSETS, Verdict.DUE, with_it)
        decisions = (archive, *deletes, self._stop())
        return JobVerdict(
            self._case,
            decisions,
            tuple(
                DueAction.of(n, d, self._due_claims.get(d.action, ()))
                for n, d in enumerate(decisions)
                if d.verdict is Verdict.DUE
            ),
            bool(self._holds),
            self._selection,
            None if self._selection else next(iter(self._saying_none()), None),
            archive.verdict is Verdict.DUE or any(r.why is Why.NOT_YET for r in archive.reasons),
            tuple(announce),
            self._kept_by(),
            self._lacks,
            self._gives_up_at,
            not self._flags & GONE,
            self._archived or frozenset(),
            () if self._set_aside() else tuple(self._postponed()),
        )

    def _postponed(self) -> Iterable[Postponement]:
        return postponements(self._case, self._flags, assets_gone=bool(self._flags & GONE))

    def _kept_by(self) -> tuple[Reason, ...]:
        reasons: list[Reason] = []
        for action in (Action.ARCHIVE, *DELETES):
            for claim in self._case.claims[action]:
                if claim.slot is not None and self._flags & claim.kept:
                    reasons += claim.slot.keeper.reasons(
                        (self._flags & claim.kept) >> claim.slot.shift
                    )
        return _in_order(reasons)

    # --- archiving --------------------------------------------------------------------------------

    def _wants(self, claim: AppliedRule) -> bool:
        assert claim.archive_rule is not None
        if claim.archive_rule.none:
            return False
        # `only: kept` archives what stays for any reason: a keep rule, a hold, no age.
        kept = bool(self._flags & (claim.kept | SET_ASIDE) or self._case.holds)
        return kept or not claim.archive_rule.only_kept

    def _saying_none(self) -> list[str]:
        return sorted(
            claim.policy.name
            for claim in self._case.claims[Action.ARCHIVE]
            if not claim.undecided and claim not in self._archiving
        )

    def _select(self) -> Selection | None:
        forbid = self._case.forbid
        # A held job is archived whole, whatever the policies want.
        if self._whole:
            return Selection(frozenset({"all"}), forbid)
        archive_rules = [
            claim.archive_rule for claim in self._archiving if claim.archive_rule is not None
        ]
        if not archive_rules:
            return None
        assets = frozenset().union(*(archive_rule.assets for archive_rule in archive_rules))
        # Every policy must accept the loss of the rest; one that does not keeps it.
        discard = "all" not in assets and all(
            archive_rule.discard_rest for archive_rule in archive_rules
        )
        # One policy that wants to keep purged jobs is enough: whatever is unclear is kept.
        keeps = any(archive_rule.if_purged == "keep" for archive_rule in archive_rules)
        return Selection(assets, forbid, discard, "keep" if keeps else "proceed")

    def _look_for_gaps(self, gaps: Gaps | None) -> tuple[bool, int | None]:
        """Return whether wanted files are missing that Sauce Labs has, and until when their deletes
        wait.
        """
        selection = self._selection
        # Purged and deleted assets do not come back: `if_purged` decides about them.
        if gaps is None or selection is None or self._flags & GONE:
            return False, None
        wanted = gaps.of(selection)
        if not wanted.missing:
            return False, None
        # No policy speaks for a held job, so nothing limits the wait for its files.
        archiving = () if self._whole else self._archiving
        waits = [claim.archive_rule.if_unavailable for claim in archiving if claim.archive_rule]
        until = wanted.given_up_at(waits)
        if until is not None and until <= gaps.as_of:
            names = frozenset(each.name for each in wanted.missing)
            self._selection = replace(selection, gives_up=names)
        return True, until

    def _is_covered(self) -> bool:
        if self._selection is None or (covers(self._archived, self._selection) and not self._lacks):
            return True
        # What is gone at Sauce Labs can never be fetched: any receipt is all there will be.
        return (
            bool(self._flags & GONE)
            and self._archived is not None
            and self._selection.if_purged == "proceed"
        )

    def _archive(self) -> Decision:
        selection, flags = self._selection, self._flags
        # A running job still writes its logs: a copy now would be a part of them.
        if flags & UNFINISHED:
            return _kept(Action.ARCHIVE, [Reason(Why.UNFINISHED)])
        # The job may hold what must never be stored.
        if self._case.forbid_unknown:
            return _kept(Action.ARCHIVE, [Reason(Why.FORBID)])
        if selection is None:
            return _kept(Action.ARCHIVE, self._why_nothing_wanted())
        if self._is_covered():
            return _kept(Action.ARCHIVE, [Reason(Why.DONE)])
        # There is nothing left to fetch, and the policy does not accept job.json alone.
        if flags & ASSETS_PURGED and selection.if_purged == "keep":
            return _kept(Action.ARCHIVE, [Reason(Why.NOT_ARCHIVED, detail=_PURGED)])
        # A held job is archived at once: it needs no age.
        if self._whole:
            return _due(Action.ARCHIVE, self._holds)
        # Every `after` counts from a job's age, so without one nothing is ever due.
        if flags & AGELESS:
            return _kept(Action.ARCHIVE, [Reason(Why.NO_AGE)])
        # The earliest policy is enough: Sauce Labs purges assets, so early is safe.
        due = tuple(claim for claim in self._archiving if flags & claim.due)
        if not due:
            return _kept(Action.ARCHIVE, [_not_yet(claim) for claim in self._archiving])
        self._due_claims[Action.ARCHIVE] = due
        return _due(Action.ARCHIVE, [Reason(Why.DUE, claim.policy.name) for claim in due])

    def _why_nothing_wanted(self) -> list[Reason]:
        claims = self._case.claims[Action.ARCHIVE]
        reasons = _undecided_about_archiving(claims)
        reasons += [Reason(Why.NOTHING_WANTED, name) for name in self._saying_none()]
        return reasons or [Reason(Why.NO_POLICY)]

    # --- deleting ---------------------------------------------------------------------------------

    def _set_aside(self) -> list[Reason]:
        reasons = list(self._holds)
        if self._flags & UNFINISHED:
            reasons.append(Reason(Why.UNFINISHED))
        if self._flags & AGELESS:
            reasons.append(Reason(Why.NO_AGE))
        return reasons

    def _blockers(self, action: Action) -> list[_Blocker]:
        """Return what the policies have against an action (rules 2 and 3 of
        docs/reference/policies.md).
        """
        blockers: list[_Blocker] = []
        for claim in self._case.claims[action]:
            blockers += [_Blocker(reason) for reason in claim.undecided]
            # A policy that may match forbids by that alone; its times and keep rules are unknown.
            if claim.undecided:
                continue
            if claim.after is None:
                blockers.append(_Blocker(Reason(Why.NEVER, claim.policy.name)))
            elif not self._flags & claim.due:
                blockers.append(
                    _Blocker(_not_yet(claim), passes=bool(self._flags & claim.announced))
                )
            if claim.slot is not None and self._flags & claim.kept:
                kept_by = claim.slot.keeper.reasons((self._flags & claim.kept) >> claim.slot.shift)
                blockers += [_Blocker(reason) for reason in kept_by]
        return blockers

    def _with_grace(self, action: Action, blockers: list[_Blocker]) -> list[_Blocker]:
        """Add the grace period (rule 5): a delete that only time forbids is announced, and waits
        until the announcement is old enough.
        """
        waits = (
            self._has_grace and self._case.claims[action] and not self._flags & _ANNOUNCED[action]
        )
        if waits and all(blocker.passes for blocker in blockers):
            return [*blockers, _Blocker(Reason(Why.GRACE), passes=True)]
        return blockers

    def _delete(
        self, action: Action, blockers: list[_Blocker], archive: Decision
    ) -> tuple[Decision, bool]:
        """Return the decision, and whether it announces the action."""
        aside = self._set_aside()
        if aside:
            return _kept(action, aside), False
        # There is nothing left to delete.
        if action is Action.DELETE_ASSETS and self._flags & GONE:
            return _kept(action, [Reason(Why.DONE)]), False
        sure = tuple(claim for claim in self._case.claims[action] if not claim.undecided)
        reasons = [blocker.reason for blocker in blockers]
        if not sure:
            # A policy that only may match permits nothing.
            without = reasons if self._case.claims[action] else [Reason(Why.NO_POLICY)]
            return _kept(action, without), False
        announced = self._has_grace and all(blocker.passes for blocker in blockers)
        reasons += self._unarchived(archive)
        if reasons:
            return _kept(action, reasons), announced
        self._due_claims[action] = sure
        due = [Reason(Why.DUE, claim.policy.name) for claim in sure]
        if self._lacks:
            due.append(
                Reason(
                    Why.GIVEN_UP if self._selection and self._selection.gives_up else Why.MISSING
                )
            )
        return _due(action, due), announced

    def _unarchived(self, archive: Decision) -> list[Reason]:
        """Return what rule 4 lacks. An archive that is due is made before the delete, in the same
        pass.
        """
        claims = self._case.claims[Action.ARCHIVE]
        reasons = _undecided_about_archiving(claims)
        # Nobody knows what may be stored, so nothing is stored, so nothing is deleted.
        if self._case.forbid_unknown:
            return [*reasons, Reason(Why.FORBID)]
        # A policy that deletes must say explicitly that it wants no copy; silence is no consent.
        if self._selection is None:
            return reasons if self._saying_none() else [*reasons, _MUTE]
        if archive.verdict is Verdict.DUE or self._is_covered():
            return reasons
        return [*reasons, Reason(Why.NOT_ARCHIVED, detail=archive.reasons[0].text)]

    # --- stopping ---------------------------------------------------------------------------------

    def _stop(self) -> Decision:
        claims = self._case.claims[Action.STOP]
        if not claims:
            return _kept(Action.STOP, [Reason(Why.NO_POLICY)])
        if not self._flags & RUNNING:
            return _kept(Action.STOP, [Reason(Why.DONE, detail="not running")])
        reasons = list(self._holds)
        for claim in claims:
            reasons += claim.undecided
            if not claim.undecided and not self._flags & claim.due:
                reasons.append(_not_yet(claim))
        if reasons:
            return _kept(Action.STOP, reasons)
        self._due_claims[Action.STOP] = claims
        return _due(Action.STOP, [Reason(Why.DUE, claim.policy.name) for claim in claims])


def _undecided_about_archiving(claims: Iterable[AppliedRule]) -> list[Reason]:
    """Return why policies that would archive something cannot say whether they match."""
    reasons: list[Reason] = []
    for claim in claims:
        if claim.archive_rule and not claim.archive_rule.none:
            reasons += claim.undecided
    return reasons


def _protected(blocker: _Blocker) -> _Blocker:
    reason = blocker.reason
    text = Reason(reason.why, None, reason.rule, reason.detail).text
    return _Blocker(Reason(Why.ASSETS_PROTECTED, reason.policy, reason.rule, text), blocker.passes)


def _not_yet(claim: AppliedRule) -> Reason:
    return Reason(
        Why.NOT_YET, claim.policy.name, detail=f"after {claim.after.text}" if claim.after else None
    )


def _kept(action: Action, reasons: Iterable[Reason]) -> Decision:
    return Decision(action, Verdict.KEEP, _in_order(reasons))


def _due(action: Action, reasons: Iterable[Reason]) -> Decision:
    return Decision(action, Verdict.DUE, _in_order(reasons))


def _in_order(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return each reason once, in an order that does not depend on the order of policies and
    rules.
    """
    return tuple(
        sorted(
            set(reasons),
            key=lambda r: (_ORDER[r.why], r.policy or "", r.rule or "", r.detail or ""),
        )
    )
