"""Lists what the archive holds of an account, job by job, together with what the state knows of
each, for deciding on the archive.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from sauce_janitor.archive import Catalogue, JobContents, contents_of, document_of
from sauce_janitor.config import Account, Config
from sauce_janitor.errors import AnswerError, RefusedError
from sauce_janitor.model.jobs import UNKNOWN, JobId, Owner, Reason, Record, Text
from sauce_janitor.model.policies import Rules
from sauce_janitor.operations.holds import AccountHolds, open_holding
from sauce_janitor.operations.wiring.owners import known_owners, resolve_owners
from sauce_janitor.retention import holds
from sauce_janitor.retention.decide import Decider
from sauce_janitor.retention.plan.archive_pruning import ArchivedFile, ArchivedJob, ArchivePruning
from sauce_janitor.sauce.parse import parse_details
from sauce_janitor.state import Query, State


@dataclass(frozen=True, slots=True)
class ListedArchivedJob:
    """One archived job: its folder's contents, and the values that deciding needs."""

    contents: JobContents
    job: ArchivedJob


class ArchiveListing:
    """One account's archive beside the state. Holds are read again for every job; keep rules are
    evaluated once, by `keep`.
    """

    def __init__(
        self, catalogue: Catalogue, state: State, config: Config, account: Account, *, as_of: int
    ) -> None:
        self.catalogue, self._state, self._account = catalogue, state, account
        self._rules = config.rules(account.name)
        self._query = Query(account.name, None, self._rules.age_from, as_of)
        self._kept: dict[bytes, Reason] = {}
        self._as_of = as_of
        self._stack = ExitStack()
        self._holding: AccountHolds = open_holding(
            config.archive, account.name, state, stack=self._stack
        )

    def close(self) -> None:
        """Close the archive's mirror of holds."""
        self._stack.close()

    def keep(self) -> None:
        """Evaluate which archived jobs the keep rules keep: one pass over the inventory, if any
        policy has keep rules.

        Raise RefusedError when the inventory was never complete (a lost state): a keep rule that
        counts cannot be evaluated then.
        """
        # Without keep rules, no job's place among others matters.
        if not _has_keep_rules(self._rules):
            return
        name, known = self._account.name, self._state.jobs.owners(self._account.name)
        mine = self._state.accounts.all().get(name)
        members = known_owners(self._state, self._account)
        asked = resolve_owners(
            self._account.users,
            Owner(mine.username if mine else ""),
            members,
            None,
            teams=self._account.teams,
        ).owners
        if self._state.jobs.full_at(name, asked) is None:
            raise RefusedError(
                f"the jobs of account {name} were never listed completely, so nobody can say which"
                " archived ones its keep rules keep: `sauce-janitor plan` lists them first."
                " Nothing was pruned"
            )
        # A run may find other owners now. What either set of owners keeps is kept.
        for owners in {tuple(sorted(asked)), tuple(sorted(known))}:
            with self._state.jobs.snapshot(replace(self._query, owners=owners)) as snapshot:
                for record, _, ruling in Decider(self._rules, as_of=self._as_of).verdicts(
                    snapshot.records
                ):
                    if ruling.kept and record.archived is not None:
                        self._kept[bytes.fromhex(record.job.id)] = ruling.kept[0]

    def places(self, *, owner: Owner | None = None) -> Iterator[tuple[str, ...]]:
        """Yield the folder of every job of the account, or of one owner in it."""
        return self.catalogue.places(
            account=self._state.accounts.key(self._account.name), owner=owner
        )

    def is_held(self, place: tuple[str, ...]) -> bool:
        """Return whether a hold of any kind may protect the job in this folder, also when that is
        unknown.
        """
        listed = self.look(place)
        # Gone from the archive: there is nothing to protect.
        if listed is None:
            return False
        decided = ArchivePruning(self._rules, as_of=self._as_of).erase(listed.job)
        return bool(decided.protected)

    def look(self, place: tuple[str, ...], *, alone: bool = False) -> ListedArchivedJob | None:
        """Return what is in the folder now; None when it is gone. Raise ArchiveError when it cannot
        be trusted.

        `alone`: use the archive alone, without holds or the job's current state, which takes a
        quarter of the time.
        """
        contents = contents_of(self.catalogue.root, place)
        # Removed since the folders were listed.
        if contents is None:
            return None
        newest = contents.newest
        documents = {each.document.job.file for each in contents.receipts}
        files = tuple(
            ArchivedFile(
                None if file.file in documents else file.name,
                file.file,
                file.fetched_at,
                file.on_disk[0],
            )
            for file in contents.files
        )
        views = self._views(contents, alone=alone)
        protected = self._protected(views[0]) if views and not alone else ()
        job = ArchivedJob(newest.job_id, newest.owner, newest.ended_at, files, views, protected)
        return ListedArchivedJob(contents, job)

    def _views(self, contents: JobContents, *, alone: bool) -> tuple[Record, ...]:
        """Return the job as it was archived and, if known, as it was last seen; nothing when its
        document cannot be read.
        """
        newest = contents.newest
        document = document_of(self.catalogue.root, contents)
        try:
            parsed = (
                None if document is None else parse_details(document, newest.owner, newest.job_id)
            )
        # A document that cannot be read says nothing of tags or names: the job is kept.
        except AnswerError:
            parsed = None
        if parsed is None:
            return ()
        # The job as archived and as last seen: either may carry a tag that protects it.
        known = None if alone else self._known(newest.job_id)
        status: Text = None if parsed.job.build is None else UNKNOWN
        archived = Record(
            parsed.job, build_status=known.build_status if known and parsed.job.build else status
        )
        return (archived, known) if known else (archived,)

    def _known(self, job_id: JobId) -> Record | None:
        with self._state.jobs.snapshot(self._query) as snapshot:
            return snapshot.record(job_id, gone=True)

    def _protected(self, record: Record) -> tuple[Reason, ...]:
        held = (holds.LOCAL_HOLD,) if self._holding.protects(record.job) else ()
        kept = self._kept.get(bytes.fromhex(record.job.id))
        return held if kept is None else (*held, kept)


def _has_keep_rules(rules: Rules) -> bool:
    return any(
        policy.keep or any(claim.keep for _, claim in policy.deletes) for policy in rules.policies
    )
