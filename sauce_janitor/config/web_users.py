"""The file of those who may sign in to the pages: names, roles and hashes of passwords.

It is written by the command `user`, read by `serve`, and by `check`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import yaml

from sauce_janitor.config.passwords import is_usable_hash
from sauce_janitor.config.source.files import file_bytes
from sauce_janitor.config.source.problems import listed, shown
from sauce_janitor.config.source.yaml import Document, Table, read
from sauce_janitor.errors import ConfigError, Problem
from sauce_janitor.model.roles import Role

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,62}")
_RESERVED: Final = frozenset({"anonymous", "token"})
"""What the log calls clients that have no name."""
_KEYS: Final = ("role", "hash")
_MOST_RIGHTS: Final = 0o664
_HEAD: Final = "# Who may sign in to the pages. Written by: sauce-janitor user\n"


@dataclass(frozen=True, slots=True)
class WebUser:
    """One who may sign in. The hash of the password is a secret."""

    name: str
    role: Role
    password_hash: str = field(repr=False)

    @property
    def credential(self) -> bytes:
        """The digest of the hash: it differs as soon as the password is set again."""
        return hashlib.sha256(self.password_hash.encode()).digest()


WebUsers = Mapping[str, WebUser]
"""The users by name."""


def user_name(text: str) -> str:
    """Return the text as the name of a user, in small letters. Raise ValueError with a sentence."""
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise ValueError(
            f"{shown(text)} cannot be a user's name: write at most 63 letters, digits, dots, -, _"
            " and @, with a letter or digit first"
        )
    if name in _RESERVED:
        raise ValueError(f"{name} is what the log calls clients without a name: choose another one")
    return name


def read_users(path: Path) -> WebUsers:
    """Return the users of the file. Raise ConfigError with all that is wrong with it."""
    add = "add a user with `sauce-janitor user add NAME --role ROLE`"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file of users: {add}") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    # Reading a pipe could wait for ever.
    if not stat.S_ISREG(mode):
        raise ConfigError(f"{path}: is no regular file: {add}")
    # Whoever can write it can make an approver.
    if mode & stat.S_IWOTH:
        raise ConfigError(f"{path}: everybody on this machine can change it: run chmod o-w {path}")
    data = file_bytes(path)
    # Probably it is just being written: `users: {}` is a file without users.
    if not data.strip():
        raise ConfigError(f"{path}: is empty: {add}")
    return _parsed(read(data, str(path)))


def warnings_of(path: Path) -> tuple[Problem, ...]:
    """Return what `check` says of the file though it can be used, or is not there.

    Raise ConfigError with all that is wrong with it.
    """
    # A pipeline checks the configuration without its secrets.
    if not path.exists():
        return (Problem("there is no such file of users yet: see `sauce-janitor user`", str(path)),)
    found = read_users(path)
    warnings = []
    if path.stat().st_mode & stat.S_IROTH:
        warnings.append("everybody on this machine can read the hashes: run chmod 600")
    if not found:
        warnings.append("it has no users: nobody can sign in")
    return tuple(Problem(each, str(path)) for each in warnings)


@contextlib.contextmanager
def editing(path: Path) -> Iterator[dict[str, WebUser]]:
    """Give the users of the file to change, and write them at the end, whole or not at all.

    A file that does not exist has no users. Another command waits meanwhile. Raise ConfigError
    where it cannot be read or written.
    """
    # Through a link, so that the link stays.
    path = path.resolve()
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise ConfigError(f"{path.parent}: cannot be opened: {error.strerror or error}") from error
    try:
        # Without this, one of two commands would undo the other: a removed user would be back.
        fcntl.flock(folder, fcntl.LOCK_EX)
        is_there = path.exists() and path.stat().st_size > 0
        users = dict(read_users(path)) if is_there else {}
        before = dict(users)
        yield users
        if users != before or not is_there:
            _write(path, users, folder)
    finally:
        os.close(folder)


def _write(path: Path, users: WebUsers, folder: int) -> None:
    plain = {
        user.name: {"role": str(user.role), "hash": user.password_hash}
        for user in sorted(users.values(), key=lambda user: user.name)
    }
    text = _HEAD + yaml.safe_dump({"users": plain}, sort_keys=False, width=200)
    partial = None
    try:
        # Readable by its owner only.
        handle, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            _keep_rights(path, file.fileno())
            os.fsync(file.fileno())
        Path(partial).replace(path)
        os.fsync(folder)
    except OSError as error:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error


def _keep_rights(path: Path, handle: int) -> None:
    """Give the new file the owner and the rights of the one that it replaces: root may edit what a
    daemon reads as another user, or through its group. It would go on with the users before.
    """
    if not path.exists():
        return
    before, now = path.stat(), os.fstat(handle)
    if (before.st_uid, before.st_gid) != (now.st_uid, now.st_gid):
        os.fchown(handle, before.st_uid, before.st_gid)
    os.fchmod(handle, stat.S_IMODE(before.st_mode) & _MOST_RIGHTS)


def _parsed(document: Document) -> WebUsers:
    root, problems = document.root, document.problems
    if not problems and (not isinstance(root, Table) or list(root) != ["users"]):
        problems.add((), "is not a file of users: it needs one key, `users`, with their names")
    entries = root.get("users") if isinstance(root, Table) else None
    # `users: {}` is a file without users; nothing at all is a mistake.
    if not problems and not isinstance(entries, Table):
        problems.add(("users",), "must have the users by name: `jane: {role: …, hash: …}`")
    users: dict[str, WebUser] = {}
    for name, entry in entries.items() if isinstance(entries, Table) else ():
        if (user := _user(name, entry, document)) is not None:
            users[name] = user
    if problems:
        raise ConfigError(problems.all())
    return MappingProxyType(users)


def _user(name: str, entry: object, document: Document) -> WebUser | None:
    """Return one user; None, with a problem, for what is none. No message has the hash."""
    problems, path = document.problems, ("users", name)
    try:
        if user_name(name) != name:
            problems.add(path, "must be in small letters")
            return None
    except ValueError as error:
        problems.add(path, str(error))
        return None
    if not isinstance(entry, Table) or sorted(entry) != sorted(_KEYS):
        problems.add(path, f"needs {' and '.join(_KEYS)}, and nothing else")
        return None
    role, password_hash = entry["role"], entry["hash"]
    if role not in set(Role):
        problems.add((*path, "role"), f"must be {listed(Role)}")
        return None
    if not isinstance(password_hash, str) or not is_usable_hash(password_hash):
        problems.add(
            (*path, "hash"),
            f"is not an argon2id hash that can be used: run `sauce-janitor user passwd {name}`",
        )
        return None
    return WebUser(name, Role(str(role)), password_hash)
