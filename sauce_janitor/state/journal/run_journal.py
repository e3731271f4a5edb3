"""The journal as a run writes it: a line before and a line after every change at Sauce Labs.

A line is on the disk when the method that writes it returns. What the journal proves of a job
(archived, assets deleted, gone) enters the inventory in the same transaction, so that the two never
disagree.

One module over 300 lines: every line is written by one method, in one transaction with its checks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

from sauce_janitor.errors import LeaseError, PermitError, RefusedError, StateError
from sauce_janitor.model.jobs import Action, AssetsStanding, JobId, MissingFile, Owner
from sauce_janitor.model.open_intents import OpenIntent
from sauce_janitor.model.permits import (
    DeleteJobPermit,
    DeletePermit,
    NothingWanted,
    Receipt,
    StopPermit,
)
from sauce_janitor.state.accounts import key_of
from sauce_janitor.state.database.dialect import Exchange, Question
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.journal import statements
from sauce_janitor.state.journal.hash_chain import HASHED, link
from sauce_janitor.state.journal.journal_lines import unresolved_intents
from sauce_janitor.state.rows import id_bytes, missing_text, plain

FINAL: Final = frozenset({"confirmed", "already_gone", "failed"})
OUTCOMES: Final = FINAL | {"unknown"}
_PRESENT: Final = str(AssetsStanding.PRESENT)
_PURGED: Final = str(AssetsStanding.PURGED)


@dataclass(frozen=True, slots=True)
class SeenReceipt:
    """A receipt in the archive: its SHA-256, the key of the selection it satisfies, the policy that
    wanted it.

    `missing` are the files that could not be fetched: with any, it does not satisfy the selection.
    """

    sha256: str
    selection: str
    policy: str
    missing: tuple[MissingFile, ...] = ()


class RunJournal:
    """The journal as one run of one account writes it: intents before, outcomes after."""

    def __init__(
        self,
        database: Database,
        account: str,
        run_id: str,
        now: Callable[[], int],
        *,
        by: str | None = None,
        fence: int | None = None,
    ) -> None:
        self._database = database
        self._fence = fence
        self._account = account
        self._run_id = run_id
        self._now = now
        self._by = by
        with database.reading() as connection:
            self._key = key_of(connection, account)

    def _writing(self) -> AbstractContextManager[Exchange]:
        """Open a transaction for lines about this account."""
        return self._database.exchange(self._account)

    def _asked(self, exchange: Exchange, *questions: Question) -> list[Sequence[Any]]:
        """Return the rows of each question. Raise LeaseError when another run has the lease."""
        # On one machine, a lock keeps others out while this process lives.
        if self._fence is None or self._database.dialect.one_writer:
            return exchange.ask(*questions)
        # Locked until the line is written: whoever takes the lease sees it, or prevents it.
        leased = (statements.LEASED, {"account": self._account})
        holder, *answers = exchange.ask(leased, *questions)
        if [row.fence for row in holder] != [self._fence]:
            raise lost(self._account)
        return answers

    @property
    def _end(self) -> Question:
        return statements.END, {"key": self._key}

    def _waiting(self, exchange: Exchange, intent: int) -> Any:
        """Return the row of WAITING_INTENT; None where the line does not wait for an outcome."""
        asked = {"intent": intent, "account": self._account, "key": self._key}
        (found,) = self._asked(exchange, (statements.WAITING_INTENT, asked))
        return found[0] if found else None

    def _standing(self, exchange: Exchange, line: Mapping[str, Any]) -> Any:
        """Return the row of STANDING."""
        asked = {name: line[name] for name in ("account", "job_id", "action")}
        ((found,),) = self._asked(exchange, (statements.STANDING, {**asked, "key": self._key}))
        return found

    def archived(
        self,
        job_id: JobId,
        owner: Owner,
        /,
        *,
        receipt: str,
        selection: str | None,
        policy: str,
        missing: Sequence[MissingFile] = (),
    ) -> None:
        """Record that a receipt is durable: its SHA-256, and the key of the selection that the
        job's receipts now satisfy.

        While files are `missing`, the selection is not satisfied.
        """
        job = {"job_id": id_bytes(job_id), "owner": owner, "action": Action.ARCHIVE}
        detail: dict[str, Any] = {"selection": selection}
        if missing:
            detail["missing"] = len(missing)
        known = {"of_account": self._account, "of_job": job["job_id"]}
        with self._writing() as exchange:
            found, (end,) = self._asked(exchange, (statements.ARCHIVED, known), self._end)
            self._append(
                exchange, end, "archived", job, policy=policy, receipt=receipt, detail=detail
            )
            # None: the receipts satisfy no selection, so no delete may rest on them.
            if selection is not None:
                _add_selection(exchange, known, found, (selection, missing))

    def intent(self, permit: DeletePermit | StopPermit, /, *, policy: str) -> int:
        """Write the line before a write, and return its number for the outcome.

        Raise LeaseError when the permit's fence is not the current lease's, RefusedError while
        paused, PermitError when the action is recorded as done, or an earlier intent for it has no
        outcome yet. All are checked in the transaction that writes.
        """
        with self._writing() as exchange:
            return self._intend(exchange, permit, policy=policy)

    def intents(self, permits: Sequence[DeletePermit], /, *, policy: str) -> list[int]:
        """Write the lines before one write about several jobs, all or none. Raises as `intent`
        does.
        """
        more = {"together_with": len(permits) - 1}
        with self._writing() as exchange:
            return [self._intend(exchange, permit, policy=policy, more=more) for permit in permits]

    def _intend(
        self,
        exchange: Exchange,
        permit: DeletePermit | StopPermit,
        *,
        policy: str,
        more: Mapping[str, Any] | None = None,
    ) -> int:
        job = {"job_id": id_bytes(permit.job_id), "owner": permit.owner, "action": permit.action}
        detail: dict[str, Any] = {"fingerprint": permit.fingerprint, **(more or {})}
        if self._by is not None:
            detail["by"] = plain(self._by)
        receipt = None
        if isinstance(permit, DeletePermit):
            # The line names the proof on which the delete rests, so that it can be checked years
            # later.
            if isinstance(permit.proof, Receipt):
                receipt = permit.proof.sha256
            elif isinstance(permit.proof, NothingWanted):
                detail["archive_none"] = permit.proof.policy
        # Sauce Labs documents one address and its client uses the other: the line says which.
        if isinstance(permit, DeleteJobPermit) and permit.address is not None:
            detail["address"] = permit.address
        # In this transaction: a pause or a new lease cannot slip in between check and line.
        asked = {"account": self._account, "job_id": job["job_id"], "action": str(permit.action)}
        standing = self._standing(exchange, asked)
        self._refuse(standing, permit)
        more = {"policy": policy, "fence": permit.fence, "receipt": receipt, "detail": detail}
        seq = self._append(exchange, standing, "intent", job, **more)
        exchange.tell(statements.OPEN_INTENT, {"intent": seq, **asked})
        return seq

    def outcome(
        self, intent: int, outcome: str, /, *, detail: str, bytes_reclaimed: int | None = None
    ) -> None:
        """Write the line after: confirmed, already_gone, failed or unknown. One final outcome may
        follow `unknown`, nothing a final one.
        """
        if outcome not in OUTCOMES:
            raise ValueError(f"no such outcome: {outcome}")
        details: dict[str, Any] = {"text": plain(detail)}
        if bytes_reclaimed is not None:
            details["bytes_reclaimed"] = bytes_reclaimed
        with self._writing() as exchange:
            self._close(exchange, intent, outcome, details)

    def found_gone(
        self, action: Action, owner: Owner, job_id: JobId, /, *, policy: str, detail: str
    ) -> bool:
        """Record that what an action was for is gone, though this run sent nothing.

        Return whether an earlier delete by this program explains it. An intent that still waited
        for its outcome becomes `confirmed` then.
        """
        text = {"text": plain(detail)}
        asked = {"account": self._account, "job_id": id_bytes(job_id), "action": str(action)}
        with self._writing() as exchange:
            (begun,) = exchange.ask((statements.BEGUN, asked))
            # The delete was sent, its answer was lost, and now the job is gone: that was this
            # program.
            if begun:
                self._close(exchange, begun[0].intent, "confirmed", text)
            else:
                job = {"job_id": asked["job_id"], "owner": owner, "action": action}
                more = {"policy": policy, "outcome": "already_gone", "detail": text}
                ((end,),) = self._asked(exchange, self._end)
                self._append(exchange, end, "found_gone", job, **more)
                _apply_to_inventory(exchange, self._account, id_bytes(job_id), action)
        return bool(begun)

    def assets_deleted(self, job_id: JobId, /) -> bool:
        """Return whether a confirmed or already gone delete of the job's assets is recorded."""
        return (
            self._database.glance(
                statements.ASSETS_DELETED, job_id=id_bytes(job_id), account=self._account
            )
            is not None
        )

    def reindexed(
        self, job_id: JobId, owner: Owner, receipts: Sequence[SeenReceipt], /
    ) -> tuple[int, bool]:
        """Record the receipts in the archive, oldest first. Return how many were new, and whether
        the inventory has the job.
        """
        job = {"job_id": id_bytes(job_id), "owner": owner, "action": Action.ARCHIVE}
        asked = {"account": self._account, "job_id": job["job_id"]}
        the_job = {"of_account": self._account, "of_job": job["job_id"]}
        is_known = False
        with self._writing() as exchange:
            (lines,) = exchange.ask((statements.RECEIPTS, asked))
            # Reindexing may run again and again: each receipt gets one line.
            known = {line.receipt for line in lines}
            news = [receipt for receipt in receipts if receipt.sha256 not in known]
            for each in news:
                detail: dict[str, Any] = {"selection": each.selection, "reindexed": True}
                if each.missing:
                    detail["missing"] = len(each.missing)
                more = {"policy": each.policy, "receipt": each.sha256, "detail": detail}
                ((end,),) = self._asked(exchange, self._end)
                self._append(exchange, end, "archived", job, **more)
            for each in receipts:
                (found,) = exchange.ask((statements.ARCHIVED, the_job))
                _add_selection(exchange, the_job, found, (each.selection, each.missing))
                is_known = is_known or bool(found)
        return len(news), is_known

    def purged(self, job_id: JobId, owner: Owner, /, *, policy: str, lost: bool) -> bool:
        """Record that two reads showed that Sauce Labs purged the job's assets. Return whether that
        is new.

        `lost`: not everything wanted had been archived before.
        """
        return self._change_assets(
            job_id, owner, (_PRESENT, _PURGED), kind="purged", policy=policy, detail={"lost": lost}
        )

    def listed_again(self, job_id: JobId, owner: Owner, /) -> None:
        """Record that Sauce Labs lists assets of a job whose assets it had purged."""
        self._change_assets(job_id, owner, (_PURGED, _PRESENT), kind="listed_again", detail={})

    def assets_purged(self, job_id: JobId, /) -> bool:
        """Return whether a purge of the job's assets is recorded and nothing later
        contradicts it.
        """
        asked = {"of_account": self._account, "of_job": id_bytes(job_id)}
        found = self._database.glance(statements.ASSETS_STANDING, **asked)
        return found is not None and found[0] == _PURGED

    def _change_assets(
        self, job_id: JobId, owner: Owner, change: tuple[str, str], /, *, kind: str, **more: Any
    ) -> bool:
        """Change what is known of the job's assets from the first to the second of `change`, with a
        line of this kind. Return False where the first is not what is known.
        """
        before, after = change
        job = {"job_id": id_bytes(job_id), "owner": owner, "action": Action.ARCHIVE}
        the_job = {"of_account": self._account, "of_job": job["job_id"]}
        with self._writing() as exchange:
            asked = (statements.ASSETS_STANDING, the_job)
            found, (end,) = self._asked(exchange, asked, self._end)
            # The same was recorded before, or the job is unknown: a second line would tell nothing.
            if [row.assets for row in found] != [before]:
                return False
            exchange.tell(statements.SET_ASSETS, the_job | {"before": before, "after": after})
            self._append(exchange, end, kind, job, **more)
            return True

    def unresolved(self) -> tuple[OpenIntent, ...]:
        """Return every intent that recovery has to ask about, oldest first."""
        return unresolved_intents(self._database, self._account)

    def _close(
        self, exchange: Exchange, intent: int, outcome: str, detail: Mapping[str, Any]
    ) -> None:
        """Add the outcome of an intent that waits for one; a final one closes it."""
        begun = self._waiting(exchange, intent)
        # The first final outcome counts. A second one would contradict a line that cannot be
        # changed.
        if begun is None:
            raise StateError(
                f"line {intent} of the journal is not an intent that waits for an outcome"
            )
        job = {"job_id": begun.job_id, "owner": begun.owner, "action": begun.action}
        more = {"policy": begun.policy, "intent": intent, "outcome": outcome, "detail": detail}
        self._append(exchange, begun, "outcome", job, **more)
        # An `unknown` outcome leaves the intent open for recovery.
        if outcome in FINAL:
            exchange.tell(statements.CLOSE_INTENT, {"closed": intent})
        if outcome in statements.DONE:
            _apply_to_inventory(exchange, self._account, job["job_id"], Action(job["action"]))

    def _refuse(self, standing: Any, permit: DeletePermit | StopPermit) -> None:
        """Raise what `intent` raises; `standing` is the row of STANDING for this permit."""
        # Another run has the lease, or this one released it.
        if standing.fence != permit.fence:
            raise lost(self._account)
        if standing.pause is not None:
            raise RefusedError("paused: nothing is changed until `sauce-janitor resume`")
        # A delete that is done is never sent again, whatever the inventory says.
        if standing.confirmed is not None:
            raise PermitError(
                f"{permit.action} of job {permit.job_id} is on record as done: it is not repeated"
            )
        # Recovery must find out first: the earlier request may still take effect.
        if standing.begun is not None:
            raise PermitError(
                f"{permit.action} of job {permit.job_id} was begun before (line {standing.begun})"
                " and its outcome is not known yet"
            )

    def _append(
        self, exchange: Exchange, end: Any, kind: str, job: Mapping[str, Any], /, **more: Any
    ) -> int:
        """Add a line after `end`, a row with what END tells. Return its seq."""
        line: dict[str, Any] = dict.fromkeys(HASHED)
        line |= {
            "seq": end.seq,
            "number": (end.number or 0) + 1,
            "at": self._now(),
            "account": self._key,
            "kind": kind,
            "run_id": self._run_id,
        }
        line |= {**job, **more}
        line["action"] = str(line["action"])
        line["detail"] = json.dumps(line["detail"], sort_keys=True)
        line["hash"] = link(end.hash or end.beginning, line)
        # By a rule of the schema, such as one confirmed delete of a job.
        refused = f"the journal refuses a line on job {line['job_id'].hex()}"
        exchange.tell(statements.ADD_LINE, line, refused=refused)
        # The account's first line begins its chain.
        if end.number is None:
            chain = {"account": self._key, "number": line["number"], "hash": line["hash"]}
            exchange.tell(statements.START_CHAIN, chain)
        else:
            moved = {"key": self._key, "new_number": line["number"], "new_hash": line["hash"]}
            exchange.tell(statements.MOVE_END, moved)
        return end.seq  # type: ignore[no-any-return]  # a row's columns are untyped


def lost(account: str) -> LeaseError:
    """Return the error of a run whose lease another one has."""
    return LeaseError(f"this run has lost the lease on account {account}: nothing more is changed")


def _apply_to_inventory(exchange: Exchange, account: str, job_id: bytes, action: Action) -> None:
    """Apply a finished delete to the inventory."""
    statement = {
        Action.DELETE_JOB: statements.JOB_GONE,
        Action.DELETE_ASSETS: statements.ASSETS_GONE,
    }.get(action)
    if statement is not None:
        exchange.tell(statement, {"of_account": account, "of_job": job_id})


def _add_selection(
    exchange: Exchange,
    job: Mapping[str, Any],
    found: Sequence[Any],
    receipt: tuple[str, Sequence[MissingFile]],
) -> None:
    """Record the selection that a receipt proves, unless files are missing. `found` is what
    ARCHIVED says of the job: no row where the inventory does not have it.
    """
    selection, missing = receipt
    for row in found:
        keys = {*(json.loads(row.archived) if row.archived is not None else ())}
        # With missing files the receipt proves less than its selection says.
        if not missing:
            keys.add(selection)
        values = {"keys": json.dumps(sorted(keys)), "lacking": missing_text(missing)}
        exchange.tell(statements.SET_ARCHIVED, {**job, **values})
