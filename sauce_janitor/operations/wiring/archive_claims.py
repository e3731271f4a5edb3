"""How a state claims archives: the holder of its leases, and the leases that it remembers."""

from __future__ import annotations

from sauce_janitor.archive import LeaseHolder
from sauce_janitor.state import State


class LeaseNotes:
    """Keeps in the state what it knows of its leases on archives."""

    def __init__(self, state: State) -> None:
        self._notes, self._journal = state.notes, state.journal

    def read(self, uuid: str, account: str, /) -> tuple[str, ...]:
        """Return the recorded words of the lease."""
        note = self._notes.read(f"archive lease {uuid} {account}")
        return () if note is None else tuple(note.split())

    def write(self, uuid: str, account: str, words: tuple[str, ...], /) -> None:
        """Record the words of the lease."""
        self._notes.write(f"archive lease {uuid} {account}", " ".join(words))

    def journal_end(self, account: str, /) -> str:
        """Return the end of the journal of the account with that key."""
        return self._journal.end_of(account)

    def has_journal(self, account: str, end: str, /) -> bool:
        """Return whether the journal of the account with that key has that line."""
        return self._journal.has_end(account, end)


def claimant(state: State, *, run_id: str = "", adopts: bool = False) -> LeaseHolder:
    """Return how this state identifies itself to an archive; with a run it takes the lease
    there.
    """
    return LeaseHolder(
        state.identity.instance_id,
        LeaseNotes(state),
        run_id,
        adopts,
        # Only a run with the account's lease opens the archive with one; who adopts has none.
        is_alone=state.queue() is not None and not adopts,
    )
