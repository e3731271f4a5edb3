"""The sources of secrets. A secret is read when it is needed, and is never part of a message."""

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
    """The source of one secret.

    A relative file name starts from `folder`; `path`, `file` and `line` are for messages.
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
        """Return the secret without its line end.

        Raise ConfigError when it cannot be read, is empty, or has more than one line.
        """
        # Remove one line end only: everything else belongs to the secret.
        text = {"env": self._from_env, "file": self._from_file, "command": self._from_command}[
            self.kind
        ](environ)
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise self._error("is empty")
        # Several lines are probably the wrong file, or a message of the command.
        if not text.isprintable():
            raise self._error("has more than one line, or characters that are not printable")
        return SecretStr(text)

    def _from_env(self, environ: Mapping[str, str]) -> str:
        if self.argument[0] not in environ:
            raise self._error("is not set")
        return environ[self.argument[0]]

    def _from_file(self, _environ: Mapping[str, str]) -> str:
        path = self.folder / Path(self.argument[0]).expanduser()
        try:
            with path.open("rb") as file:
                # One byte more than allowed shows that there is more: `/dev/zero` has no size.
                data = file.read(_LARGEST_SECRET_BYTES + 1)
            if len(data) > _LARGEST_SECRET_BYTES:
                raise self._error("is too large for a secret")
            return data.decode()
        except OSError as error:
            raise self._error(f"cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError:
            raise self._error("is not UTF-8 text") from None

    def _from_command(self, environ: Mapping[str, str]) -> str:
        try:
            return printed(
                self.argument, folder=self.folder, environ=environ, most=_LARGEST_SECRET_BYTES
            ).decode()
        except NoOutputError as error:
            raise self._error(str(error)) from None
        except UnicodeDecodeError:
            raise self._error("printed something that is not UTF-8 text") from None

    def problem(self, what: str) -> Problem:
        """Return a problem of this source: `the file /run/secret` and what is wrong with it."""
        noun = {"env": "environment variable", "file": "file", "command": "command"}[self.kind]
        message = f"the {noun} {self.argument[0]} {what}"
        return Problem(message, self.file, self.line, f"{self.path}.{self.kind}")

    def _error(self, what: str) -> ConfigError:
        return ConfigError([self.problem(what)])


@dataclass(frozen=True, slots=True)
class CredentialSource:
    """The source of an account's user name and access key: the file, or Sauce Labs' own tools.

    If the file does not name both, the pair comes from saucectl's file of regions for `address`,
    otherwise from SAUCE_USERNAME and SAUCE_ACCESS_KEY if both are set, otherwise from saucectl's
    file of credentials. A user name in the file replaces an unset SAUCE_USERNAME.
    """

    username: str | SecretSource | None
    access_key: SecretSource | None
    path: str
    file: str
    line: int
    address: str = ""

    def resolve(self, environ: Mapping[str, str]) -> tuple[str, SecretStr]:
        """Return (user name, access key). Raise ConfigError when one of them cannot be read."""
        username = self._named(environ)
        key = self.access_key.resolve(environ) if self.access_key else None
        # The file names both, so neither the usual variables nor another tool's files are read.
        if username is not None and key is not None:
            return username, key
        found = _usual({USERNAME_VARIABLE: username or "", **environ}, self.address)
        if found is None:
            raise self._error(
                f"has no credentials: set {USERNAME_VARIABLE} and {ACCESS_KEY_VARIABLE}, run"
                " `saucectl configure`, or write username and access_key"
            )
        # The key of one user with the name of another: Sauce Labs would answer every request with
        # 401.
        if username is not None and found[0] != username:
            raise self._error(
                "has no access_key, and the one found elsewhere is of another user than"
                f" {username}: write access_key"
            )
        return username or self._user(found[0]), key or SecretStr(found[1])

    def user(self, environ: Mapping[str, str]) -> str:
        """Return only the user name, without reading an access key if the file names the user.

        Raise ConfigError when it cannot be read.
        """
        return self._named(environ) or self.resolve(environ)[0]

    def usual_user(self, environ: Mapping[str, str]) -> str | None:
        """Return the user whose credentials Sauce Labs' own tools would use; None without any."""
        found = _usual(environ, self.address)
        return found[0].strip() if found else None

    def describe(self, environ: Mapping[str, str]) -> str:
        """Return the user name if it is known without reading a secret, otherwise its source."""
        if isinstance(self.username, SecretSource):
            # A variable can be read without side effects; a command must not run only to fill a
            # message.
            known = environ.get(self.username.argument[0]) if self.username.kind == "env" else None
            return known or f"user from {self.username}"
        if self.username is not None:
            return self.username
        found = _usual(environ, self.address)
        return found[0] if found else f"user from {USERNAME_VARIABLE} or ~/{SAUCECTL_FILE}"

    def missing(self, environ: Mapping[str, str]) -> tuple[Problem, ...]:
        """Return a problem for each environment variable that is named but not set."""
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
                "has an invalid user name: it is empty, or has slashes, or blanks at an end"
            ) from None

    def _error(self, message: str) -> ConfigError:
        return ConfigError([Problem(message, self.file, self.line, self.path)])


def _usual(environ: Mapping[str, str], address: str) -> tuple[str, str] | None:
    """Return the user name and access key that Sauce Labs' own tools would use; None without any.

    They come from saucectl's entry for the region, otherwise from both variables, otherwise from
    saucectl's file; never one from here and the other from there.
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
        text = path.read_text(encoding="utf-8")
        # This loader only builds text, lists and mappings, never objects.
        return yaml.load(text, Loader=yaml.CBaseLoader)  # noqa: S506 - see above
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        # Another tool's file: without it, or if it is broken, there are no credentials in it.
        return None


def _pair(entry: object) -> tuple[str, str] | None:
    if not isinstance(entry, dict):
        return None
    username, key = entry.get("username"), entry.get("accessKey")
    if not isinstance(username, str) or not isinstance(key, str):
        return None
    return (username, key) if username and key else None
