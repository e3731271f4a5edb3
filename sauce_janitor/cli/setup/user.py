"""`user`: say who may sign in to the pages of `serve`, and with which role."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sauce_janitor import json_output, terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.options import FORMAT
from sauce_janitor.errors import ConfigError
from sauce_janitor.json_output import Shape
from sauce_janitor.model.roles import Role

if TYPE_CHECKING:
    from sauce_janitor.config.web_users import WebUser, WebUsers

_NAME = click.argument("name", metavar="NAME")
_PASSWORD_FILE = click.option(
    "--password-file",
    metavar="FILE",
    help="Read the password from the first line of FILE, or of stdin (-), instead of asking.",
)
_ROLES = click.Choice([each.value for each in Role])
_LONGEST_BYTES = 4096


@click.group()
def user() -> None:
    """List, add, change or remove those who may sign in to the pages. Sends nothing to Sauce
    Labs.
    """


@user.command(name="list")
@FORMAT
@click.pass_obj
def list_users(session: Session, /, *, form: str) -> None:
    """List the users of the file that the configuration names, with their roles."""
    from sauce_janitor import report
    from sauce_janitor.config.web_users import read_users

    path = _file(session)
    # Nobody has been added yet.
    users = read_users(path) if path.exists() else {}
    rows = sorted(users.values(), key=lambda each: each.name)
    if form == "json":
        json_output.write(rows, _USER)
        return
    if not rows:
        terminal.echo("No users.", err=True)
        return
    columns = (report.Column("User"), report.Column("Role"))
    cells = [(each.name, str(each.role)) for each in rows]
    report.show_table(session.console(), columns, cells)


_USER = Shape("name", "role")


@user.command()
@_NAME
@click.option(
    "--role",
    required=True,
    type=_ROLES,
    help="A viewer reads, an operator also pauses and holds, an approver also releases and"
    " approves.",
)
@_PASSWORD_FILE
@click.pass_obj
def add(session: Session, /, name: str, *, role: str, password_file: str | None) -> None:
    """Add a user who may sign in, and create the file if there is none.

    Asks for the password twice. It has at least 12 characters, and only its argon2id hash is
    stored.
    """
    from sauce_janitor.config.passwords import hashed
    from sauce_janitor.config.web_users import WebUser, editing

    path, name = _file(session), _checked(name)
    # Before the password is typed, and once more before the file is written.
    _refuse_known(name, path)
    password_hash = hashed(_new_password(name, password_file))
    with editing(path) as users:
        if name in users:
            raise _known(name, path)
        users[name] = WebUser(name, Role(role), password_hash)
    terminal.echo(f"Added: {name} may sign in as {role}.")


@user.command()
@_NAME
@_PASSWORD_FILE
@click.pass_obj
def passwd(session: Session, /, name: str, *, password_file: str | None) -> None:
    """Set a user's password. Every session of the user ends."""
    from dataclasses import replace

    from sauce_janitor.config.passwords import hashed
    from sauce_janitor.config.web_users import editing, read_users

    path, name = _file(session), _checked(name)
    _found(read_users(path), name, path)
    password_hash = hashed(_new_password(name, password_file))
    with editing(path) as users:
        users[name] = replace(_found(users, name, path), password_hash=password_hash)
    terminal.echo(f"Changed: {name} has a new password, and has to sign in again.")


@user.command()
@_NAME
@click.argument("role", metavar="ROLE", type=_ROLES)
@click.pass_obj
def role(session: Session, /, name: str, role: str) -> None:
    """Give a user another role: viewer, operator or approver."""
    from dataclasses import replace

    from sauce_janitor.config.web_users import editing

    path, name = _file(session), _checked(name)
    with editing(path) as users:
        users[name] = replace(_found(users, name, path), role=Role(role))
    terminal.echo(f"Changed: {name} is {role} now.")


@user.command()
@_NAME
@click.pass_obj
def remove(session: Session, /, name: str) -> None:
    """Remove a user. Every session of the user ends. Needs no confirmation."""
    from sauce_janitor.config.web_users import editing

    path, name = _file(session), _checked(name)
    with editing(path) as users:
        _found(users, name, path)
        del users[name]
    terminal.echo(f"Removed: {name} may not sign in any more.")


@user.command(name="sign-out")
@_NAME
@click.pass_obj
def sign_out(session: Session, /, name: str) -> None:
    """End every session of a user, for example after a lost laptop. Needs no confirmation.

    The user may sign in again.
    """
    from sauce_janitor import report
    from sauce_janitor.state import State

    name = _checked(name)
    # Not from the file: somebody who was removed from it may have had sessions.
    config = session.load(accounts_only=True)
    with State.open(config.state, accept_filesystem=config.accept_filesystem) as state:
        count = state.web_sessions.end_all_of(name)
    terminal.echo(f"Ended: {report.counted(count, 'session')} of {name}.")


def _file(session: Session) -> Path:
    """Return the file of users that the configuration names. Raise ConfigError without one."""
    config = session.load(accounts_only=True)
    if config.web.users is None:
        raise ConfigError(
            f"{config.file} names no file of users: write web: {{auth: {{users: users.yaml}}}}"
        )
    return config.web.users


def _checked(name: str) -> str:
    from sauce_janitor.config.web_users import user_name

    try:
        return user_name(name)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _refuse_known(name: str, path: Path) -> None:
    from sauce_janitor.config.web_users import read_users

    if path.exists() and path.stat().st_size and name in read_users(path):
        raise _known(name, path)


def _known(name: str, path: Path) -> ConfigError:
    return ConfigError(
        f"{path} has a user {name} already: see `sauce-janitor user passwd` and `user role`"
    )


def _found(users: WebUsers, name: str, path: Path) -> WebUser:
    if name not in users:
        raise ConfigError(f"{path} has no user {name}: see `sauce-janitor user list`")
    return users[name]


def _new_password(name: str, password_file: str | None) -> str:
    """Return the password from the file, or as it is typed twice. Raise UsageError for one that
    is refused.
    """
    from sauce_janitor.config.passwords import why_refused

    if password_file is not None:
        password = _first_line(password_file)
    elif terminal.can_ask():
        password = terminal.ask_secret(f"Password of {name}")
    else:
        raise click.UsageError("there is no terminal to ask for the password: add --password-file")
    why = why_refused(password)
    if why is None and name in password.lower():
        why = "contains the user's name: it can be guessed"
    if why is not None:
        raise click.UsageError(f"the password {why}")
    # A typing error would lock the user out.
    if password_file is None and terminal.ask_secret("Once more") != password:
        raise click.UsageError("the two passwords differ: nothing was changed")
    return password


def _first_line(file: str) -> str:
    """Return the first line of a file, or of stdin for `-`, without its end."""
    try:
        if file == "-":
            data = b"" if sys.stdin is None else sys.stdin.readline(_LONGEST_BYTES).encode()
        else:
            with Path(file).open("rb") as source:
                data = source.readline(_LONGEST_BYTES)
        text = data.decode()
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--password-file {file!r:.80} cannot be read: {error}") from error
    return text.removesuffix("\n").removesuffix("\r")
