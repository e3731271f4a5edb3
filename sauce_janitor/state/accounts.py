"""The accounts of the state: their users and addresses, and the keys by which the journal and the
archive know them.

An account is *bound* to its user and address once a listing succeeded; until then the configuration
may correct both. Its key is its first name: journal lines are hashed and receipts are proof, so
both keep the key when the account is renamed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from sauce_janitor.errors import RefusedError
from sauce_janitor.state.account_names import drop, forget_listings, move
from sauce_janitor.state.database.dialect import COMMON
from sauce_janitor.state.database.tables import accounts, journal, metadata, open_intents
from sauce_janitor.state.database.transactions import Database
from sauce_janitor.state.rows import plain

_KNOWN_BY: Final = ("acceptances", "approvals", "archived_jobs", "holds")
"""Tables that hold more of an account than its list of jobs, which can be read again."""


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """An account as the state knows it. `bound_at` is when a listing first showed a job (epoch
    seconds), None before.

    `key` is its name in the journal and in the archive.
    """

    name: str
    base_url: str
    username: str
    key: str
    bound_at: int | None = None

    @property
    def is_bound(self) -> bool:
        """Whether the state knows for certain whose account it is."""
        return self.bound_at is not None

    def is_same(self, other: KnownAccount) -> bool:
        """Return whether both are the same account. A bound account stays the same, however its
        address is written.
        """
        mine, theirs = (
            (each.key, each.base_url, each.username.casefold()) for each in (self, other)
        )
        # The key tells two accounts of one name apart, of which the first is gone.
        return self.key == other.key and (self.is_bound or mine == theirs)

    def is_of(self, base_url: str, username: str, place: Callable[[str], str]) -> bool:
        """Return whether it is this user's at this address; `place` reduces an address to host and
        port.
        """
        return self.username.casefold() == username.casefold() and place(self.base_url) == place(
            base_url
        )


class Accounts:
    """The accounts of the state. Raises StateError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> dict[str, KnownAccount]:
        """Return every account by its name, in order, including those that are not bound yet."""
        statement = select(accounts).where(accounts.c.retired.is_(None)).order_by(accounts.c.name)
        with self._database.reading() as connection:
            return {row["name"]: _known(row) for row in connection.execute(statement).mappings()}

    def key(self, name: str) -> str:
        """Return the account's name in the journal and in the archive; an unknown name stands for
        itself.
        """
        with self._database.reading() as connection:
            return key_of(connection, name)

    def keys(self) -> frozenset[str]:
        """Return the keys of all known accounts."""
        return frozenset(each.key for each in self.all().values())

    def named(self, key: str) -> str:
        """Return the current name of the account with that key."""
        with self._database.reading() as connection:
            return name_of(connection, key)

    def admit(
        self, name: str, *, base_url: str, username: str, place: Callable[[str], str] = str
    ) -> KnownAccount | None:
        """Record the account with this user and address, without binding it.

        Return the account that the name is bound to where that is another one; then nothing
        changed. An unbound account is corrected, and what was listed for the wrong user or address
        is forgotten. `place` reduces an address to host and port.
        """
        identity = {"base_url": plain(base_url), "username": plain(username)}
        known = self.all().get(name)
        if known is not None and (known.base_url, known.username) == (
            identity["base_url"],
            identity["username"],
        ):
            # The usual case writes nothing, so that a command that only reads never waits for a
            # writer.
            return None
        with self._database.writing(COMMON, name) as connection:
            row = (
                connection.execute(select(accounts).where(accounts.c.name == name))
                .mappings()
                .one_or_none()
            )
            if row is None:
                connection.execute(insert(accounts), [{"name": name, **identity}])
                return None
            if row["retired"]:
                _take_over(connection, name, identity)
                return None
            known = _known(row)
            if not known.is_of(base_url, username, place):
                # With lines in the journal, correcting the user would make the record false.
                if known.is_bound or _has_lines(connection, known.key):
                    return known
                # Nothing was archived or deleted for the wrong user; only the list is of somebody
                # else's jobs.
                forget_listings(connection, name)
            connection.execute(update(accounts).where(accounts.c.name == name).values(identity))
        return None

    def bind(self, known: KnownAccount, *, at: int) -> bool:
        """Bind the account: a listing showed jobs of it. `at` is epoch seconds; the first time
        counts.

        Return whether the account is still the `known` one: the configuration may have corrected it
        meanwhile.
        """
        mine = (accounts.c.name == known.name, accounts.c.retired.is_(None))
        now = self.all().get(known.name)
        # A bound account is read without the write lock, which every later run does.
        if now is not None and now.bound_at is None:
            with self._database.writing(known.name) as connection:
                row = connection.execute(select(accounts).where(*mine)).mappings().one_or_none()
                now = None if row is None else _known(row)
                if now is not None and now.is_same(known):
                    connection.execute(
                        update(accounts)
                        .where(*mine, accounts.c.bound_at.is_(None))
                        .values(bound_at=at)
                    )
        return now is not None and now.is_same(known)

    def rename(self, old: str, new: str) -> None:
        """Rename an account with everything known of it. Every job is listed again before the next
        plan.

        An account `new` with no more than a list of jobs makes room. Raise RefusedError where it
        has more, where `old` is unknown, or while a change of `old` is in doubt. The caller holds
        both accounts' leases.
        """
        with self._database.writing(COMMON, old, new) as connection:
            rows = {row["name"]: row for row in connection.execute(select(accounts)).mappings()}
            known = {name: _known(row) for name, row in rows.items() if not row["retired"]}
            _refuse_rename(connection, known, old, new)
            account = known[old]
            # It has no more than a list of jobs, as after a run under the new name that was a
            # mistake.
            if new in known:
                drop(connection, new)
            values = {
                "base_url": account.base_url,
                "username": account.username,
                "bound_at": account.bound_at,
                # Renamed back to its first name: then name and key are the same again.
                "key": None if account.key == new else account.key,
                "retired": None,
            }
            if new in rows:
                connection.execute(update(accounts).where(accounts.c.name == new).values(values))
            else:
                connection.execute(insert(accounts), [{"name": new, **values}])
            move(connection, old, new)
            _leave(connection, old)


def key_of(connection: Connection, name: str) -> str:
    """Return the name by which the journal and the archive know an account; an unknown name stands
    for itself.
    """
    found: str | None = connection.execute(
        select(accounts.c.key).where(accounts.c.name == name)
    ).scalar()
    return name if found is None else found


def name_of(connection: Connection, key: str) -> str:
    """Return the current name of the account with that key; a key of no account stands for
    itself.
    """
    found: str | None = connection.execute(
        select(accounts.c.name).where(accounts.c.key == key)
    ).scalar()
    return key if found is None else found


def _known(row: Any) -> KnownAccount:
    return KnownAccount(
        row["name"], row["base_url"], row["username"], row["key"] or row["name"], row["bound_at"]
    )


def _has_lines(connection: Connection, key: str) -> bool:
    return (
        connection.execute(select(journal.c.seq).where(journal.c.account == key).limit(1)).first()
        is not None
    )


def _take_over(connection: Connection, name: str, identity: dict[str, str]) -> None:
    """Give a name that another account had before to a new one, which gets its own key."""
    taken = set(connection.execute(select(accounts.c.name)).scalars())
    number = next(number for number in range(2, len(taken) + 3) if f"{name}-{number}" not in taken)
    key = f"{name}-{number}"
    # Lines of the journal need a row with that name; it is not an account by itself.
    connection.execute(insert(accounts), [{"name": key, "retired": True, **identity}])
    values = {**identity, "key": key, "retired": None, "bound_at": None}
    connection.execute(update(accounts).where(accounts.c.name == name).values(values))


def _refuse_rename(
    connection: Connection, known: dict[str, KnownAccount], old: str, new: str
) -> None:
    if old not in known:
        there = ", ".join(known) or "none"
        raise RefusedError(f"the state knows no account {old}; it knows: {there}. Nothing changed")
    count = select(func.count()).select_from(open_intents).where(open_intents.c.account == old)
    # One of them may be running right now: a command by hand needs no lease.
    if open_count := connection.execute(count).scalar_one():
        raise RefusedError(
            f"{open_count:,} changes of account {old} were begun and their outcome is not known: a"
            " run with --execute looks them up. Then rename it. Nothing changed"
        )
    if new in known and (what := _more_than_a_list(connection, known[new])):
        raise RefusedError(
            f"account {new} is in the state already, with {what}: two accounts are never merged."
            " Choose another name. Nothing changed"
        )


def _more_than_a_list(connection: Connection, account: KnownAccount) -> str | None:
    """Return what the state has of an account that no listing can restore; None for nothing."""
    if _has_lines(connection, account.key):
        return "lines in the journal"
    for name in _KNOWN_BY:
        table = metadata.tables[name]
        if connection.execute(
            select(table.c.account).where(table.c.account == account.name).limit(1)
        ).first():
            return name.replace("_", " ")
    return None


def _leave(connection: Connection, name: str) -> None:
    """Keep the row of a former name where lines of the journal refer to it, or it is still the key
    of an account.
    """
    lines = connection.execute(
        select(journal.c.seq).where(journal.c.account == name).limit(1)
    ).first()
    named = connection.execute(
        select(accounts.c.name).where(accounts.c.key == name).limit(1)
    ).first()
    if lines is None and named is None:
        connection.execute(delete(accounts).where(accounts.c.name == name))
        return
    values = {"retired": True, "key": None, "bound_at": None}
    connection.execute(update(accounts).where(accounts.c.name == name).values(values))
