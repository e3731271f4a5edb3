"""Secrets: where they are read from, late, and what is said when they are not there. A value is
never part of a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import yaml
from pydantic import SecretStr

from sauce_janitor.config.secret_commands import NoOutputError, printed
from sauce_janitor.errors import ConfigError, Problem
from sauce_janitor.model.jobs import owner_name

USERNAME_VARIABLE: Final = "SAUCE_USERNAME"
ACCESS_KEY_VARIABLE: Final = "SAUCE_ACCESS_KEY"
SAUCECTL_FILE: Final = ".sauce/credentials.yml"
"""Below the home directory; {username, accessKey}. Source: saucectl, internal/credentials."""
SAUCECTL_REGIONS: Final = ".sauce/regions.yml"
"""Below the home directory; [{name, apiBaseURL, credentials: {username, accessKey}}]. Source:
saucectl, internal/region.
"""

_LARGEST_SECRET_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where one secret comes from. `folder` is what a relative file name starts from; `path` and
    `line` are for messages.
    """

    kind: Literal["env", "file", "command"]
    argument: tuple[str, ...]
    path: str
    file: str
    line: int
    folder: Path

    def __str__(self) -> str:
        return f"{self.kind} {' '.join(self.argument[:1])}"

    def resolve(self, environ: Mapping[str, str]) -> SecretStr:
        """The secret, without the line's end. ConfigError when it cannot be had, is empty or is
        more than one line.
        """
        text = {"env": self._from_env, "file": self._from_file, "command": self._from_command}[
            self.kind
        ](environ)
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise self._error("is empty")
        if not text.isprintable():
            raise self._error("holds more than one line, or characters that cannot be part of it")
        return SecretStr(text)

    def _from_env(self, environ: Mapping[str, str]) -> str:
        if self.argument[0] not in environ:
            raise self._error("is not set")
        return environ[self.argument[0]]

    def _from_file(self, _environ: Mapping[str, str]) -> str:
        path = self.folder / Path(self.argument[0]).expanduser()
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST_SECRET_BYTES + 1)
            if len(data) > _LARGEST_SECRET_BYTES:
                raise self._error("is too large for a secret")
            return data.decode()
        except OSError as wrong:
            raise self._error(f"cannot be read: {wrong.strerror or wrong}") from wrong
        except UnicodeDecodeError:
            raise self._error("is not UTF-8 text") from None

    def _from_command(self, environ: Mapping[str, str]) -> str:
        try:
            return printed(
                self.argument, folder=self.folder, environ=environ, most=_LARGEST_SECRET_BYTES
            ).decode()
        except NoOutputError as wrong:
            raise self._error(str(wrong)) from None
        except UnicodeDecodeError:
            raise self._error("printed what is not UTF-8 text") from None

    def problem(self, what: str) -> Problem:
        """A sentence about this source."""
        noun = {"env": "environment variable", "file": "file", "command": "command"}[self.kind]
        message = f"the {noun} {self.argument[0]} {what}"
        return Problem(message, self.file, self.line, f"{self.path}.{self.kind}")

    def _error(self, what: str) -> ConfigError:
        return ConfigError([self.problem(what)])


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """One account's user name and access key: as written, or where Sauce Labs' own tools keep them.

    What is not written comes from what saucectl keeps for the region at `address`, else from
    SAUCE_USERNAME and SAUCE_ACCESS_KEY when both are set, else from saucectl's file. A user name
    that is written stands for an unset SAUCE_USERNAME.
    """

    username: str | SecretSource | None
    access_key: SecretSource | None
    path: str
    file: str
    line: int
    address: str = ""

    def resolve(self, environ: Mapping[str, str]) -> tuple[str, SecretStr]:
        """(user name, access key). ConfigError when one cannot be had."""
        username = self._named(environ)
        key = self.access_key.resolve(environ) if self.access_key else None
        if username is not None and key is not None:
            return username, key
        found = _usual({USERNAME_VARIABLE: username or "", **environ}, self.address)
        if found is None:
            raise self._error(
                f"has no credentials: set {USERNAME_VARIABLE} and {ACCESS_KEY_VARIABLE}, run"
                " `saucectl configure`, or write username and access_key"
            )
        if username is not None and found[0] != username:
            raise self._error(
                "has no access_key, and the one found elsewhere is of another user than"
                f" {username}: write access_key"
            )
        return username or self._user(found[0]), key or SecretStr(found[1])

    def user(self, environ: Mapping[str, str]) -> str:
        """The user name alone; where one is written, no access key is read. ConfigError when it
        cannot be had.
        """
        return self._named(environ) or self.resolve(environ)[0]

    def usual_user(self, environ: Mapping[str, str]) -> str | None:
        """The user whose credentials Sauce Labs' own tools would use here; None where there are
        none.
        """
        found = _usual(environ, self.address)
        return found[0].strip() if found else None

    def describe(self, environ: Mapping[str, str]) -> str:
        """Who we are, without asking anyone: the user name where it is known, else where it will
        come from.
        """
        if isinstance(self.username, SecretSource):
            known = environ.get(self.username.argument[0]) if self.username.kind == "env" else None
            return known or f"user from {self.username}"
        if self.username is not None:
            return self.username
        found = _usual(environ, self.address)
        return found[0] if found else f"user from {USERNAME_VARIABLE} or ~/{SAUCECTL_FILE}"

    def missing(self, environ: Mapping[str, str]) -> tuple[Problem, ...]:
        """What can be told to be missing without asking anyone."""
        named = [
            source
            for source in (self.username, self.access_key)
            if isinstance(source, SecretSource)
        ]
        absent = [
            source
            for source in named
            if source.kind == "env" and not environ.get(source.argument[0])
        ]
        return tuple(source.problem("is not set") for source in absent)

    def _named(self, environ: Mapping[str, str]) -> str | None:
        if isinstance(self.username, SecretSource):
            return self._user(self.username.resolve(environ).get_secret_value())
        return self.username

    def _user(self, text: str) -> str:
        try:
            return owner_name(text)
        except ValueError:
            raise self._error(
                "has a user name that cannot be one (blank ends, slashes or nothing in it)"
            ) from None

    def _error(self, message: str) -> ConfigError:
        return ConfigError([Problem(message, self.file, self.line, self.path)])


def _usual(environ: Mapping[str, str], address: str) -> tuple[str, str] | None:
    """The pair that Sauce Labs' own tools would use: the region's own, else both variables, else
    saucectl's file. Never one of each.
    """
    home = Path(environ.get("HOME") or Path("~").expanduser())
    regions = _read(home / SAUCECTL_REGIONS)
    for region in regions if isinstance(regions, list) else ():
        if (
            isinstance(region, dict)
            and str(region.get("apiBaseURL", "")).rstrip("/").lower() == address.lower() != ""
        ):
            pair = _pair(region.get("credentials"))
            if pair is not None:
                return pair
    username, key = environ.get(USERNAME_VARIABLE), environ.get(ACCESS_KEY_VARIABLE)
    if username and key:
        return username.strip(), key.strip()
    return _pair(_read(home / SAUCECTL_FILE))


def _read(path: Path) -> object:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.CBaseLoader)  # noqa: S506 - text only: builds no objects
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _pair(read: object) -> tuple[str, str] | None:
    if not isinstance(read, dict):
        return None
    username, key = read.get("username"), read.get("accessKey")
    return (
        (username, key)
        if isinstance(username, str) and isinstance(key, str) and username and key
        else None
    )
