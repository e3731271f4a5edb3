"""Builds the configuration's values from the grammar of one valid file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sauce_janitor.config.daemon_values import MetricsExport, Web, Webhook
from sauce_janitor.config.digest import policy_digest
from sauce_janitor.config.grammar.accounts import AccountTerm, OwnerTerm
from sauce_janitor.config.grammar.addresses import is_loopback
from sauce_janitor.config.grammar.document import ConfigFile
from sauce_janitor.config.grammar.secrets import SecretNode
from sauce_janitor.config.grammar.storage import ArchiveSettings
from sauce_janitor.config.lints.lints import lint
from sauce_janitor.config.schedules import schedule_of
from sauce_janitor.config.secrets import CredentialSource, SecretSource
from sauce_janitor.config.shared_users import ORGANIZATION, overlaps
from sauce_janitor.config.source.files import ConfigFiles
from sauce_janitor.config.source.problems import path_text, shown
from sauce_janitor.config.source.yaml import Document
from sauce_janitor.config.translate import approvals_for, rules_for
from sauce_janitor.config.values import Account, ArchiveConfig, Config, ServerAddress
from sauce_janitor.errors import ConfigError
from sauce_janitor.model.archive.locations import S3Location, bucket_and_prefix
from sauce_janitor.model.jobs import Owner
from sauce_janitor.model.request_allowance import AllowanceTimetable, allowance

if TYPE_CHECKING:  # a file without tests loads nothing that decides
    from sauce_janitor.retention.what_if.policy_tests import PolicyTest


class ConfigBuilder:
    """Turns the grammar of one file into the values that the rest of the program uses."""

    def __init__(
        self, document: Document, term: ConfigFile, path: Path, environ: Mapping[str, str]
    ) -> None:
        self._document = document
        self._term = term
        self._path = path
        self._folder = path.absolute().parent
        self._environ = environ

    def config(self, sources: ConfigFiles) -> Config:
        """Return the configuration. Raise ConfigError if two accounts cover the same jobs."""
        term = self._term
        rules = {name: rules_for(term, name) for name in term.accounts}
        identities = {
            name: self._identity(name, account) for name, account in term.accounts.items()
        }
        digests: dict[str, str] = {}
        # Only the warnings about approvals need digests here.
        if term.approvals:
            digests = {name: policy_digest(rules[name], identities[name]) for name in term.accounts}
        accounts = tuple(self._account(name, account) for name, account in term.accounts.items())
        self._refuse_overlaps(accounts)
        return Config(
            file=self._path,
            accounts=accounts,
            archive=self._archive(),
            state=self._state(),
            accept_filesystem=term.state.accept_filesystem,
            workers=term.workers,
            concurrent_runs=term.concurrent_runs,
            timezone=term.timezone,
            web=self._web(),
            export=self._export(),
            webhooks=self._webhooks(),
            files=(self._path, *self._document.included),
            sources=sources,
            warnings=lint(term, self._document, rules, digests),
            rules_by_account=rules,
            tests_by_account=self._tests(),
            identities=identities,
            approvals_by_account={name: approvals_for(term, name) for name in term.accounts},
            schedules={
                name: schedule_of(term.schedule, account.schedule, ZoneInfo(term.timezone))
                for name, account in term.accounts.items()
            },
        )

    def _tests(self) -> Mapping[str, tuple[PolicyTest, ...]]:
        """Return the tests of each account."""
        if not self._term.tests:
            return dict.fromkeys(self._term.accounts, ())
        # Late: it loads what makes and decides the jobs of tests.
        from sauce_janitor.config.policy_tests import tests_for

        return {name: tests_for(self._term, name, self._document) for name in self._term.accounts}

    def _refuse_overlaps(self, accounts: tuple[Account, ...]) -> None:
        """Raise ConfigError if two accounts cover the same jobs.

        What one account keeps, the other might delete.
        """
        problems = self._document.problems
        for account, earlier, user in overlaps(accounts):
            path = ("accounts", account, "users")
            line = problems.line_of(("accounts", earlier), seen_from=path)
            jobs = f"jobs of {shown(user)}"
            if user == ORGANIZATION:
                jobs = "jobs of the whole organization"
            problems.add(
                path,
                f"{jobs} already belong to account {shown(earlier)} ({line}), at the same address:"
                " a user's jobs belong to one account. Move the policies of both into one"
                " account, or remove the user from one",
            )
        if problems:
            raise ConfigError(problems.all())

    def _state(self) -> Path | ServerAddress:
        url = self._term.state.url
        if not isinstance(url, SecretNode):
            return self._file(self._term.state.path)
        return ServerAddress(self._secret(url, ("state", "url")), self._environ)

    def _file(self, text: str) -> Path:
        return self._folder / Path(text).expanduser()

    def _account(self, name: str, term: AccountTerm) -> Account:
        return Account(
            name=name,
            region=term.region,
            base_url=term.address,
            users=term.names,
            teams=term.teams,
            budget=self._budget(term),
            full_every_s=term.listing.full_every.seconds,
            timeout_s=term.timeout.seconds,
            timeout_total_s=term.timeout_total.seconds,
            attempts=term.retries.attempts,
            max_wait_s=term.retries.max_wait.seconds,
            ca_bundle=self._file(term.ca_bundle) if term.ca_bundle else None,
            proxy=term.proxy,
            delete_job_path=term.delete_job_path,
            replaces=tuple(term.replaces),
            source=self._credentials(term, ("accounts", name)),
            environ=self._environ,
            own_sources={
                Owner(own.owner): self._credentials(own, ("accounts", name, "credentials", number))
                for number, own in enumerate(term.credentials)
            },
        )

    def _budget(self, term: AccountTerm) -> AllowanceTimetable:
        budget = term.budget
        # A loopback address is the sandbox or a test server: no limit unless one is written.
        loopback = term.base_url is not None and is_loopback(urlsplit(term.base_url).hostname or "")
        usual = allowance(budget.per_second, budget.per_hour, budget.burst, loopback=loopback)
        return AllowanceTimetable(
            usual,
            tuple(each.window(usual) for each in budget.windows),
            ZoneInfo(self._term.timezone),
        )

    def _identity(self, name: str, term: AccountTerm) -> dict[str, Any]:
        """Return the part of the policy digest that says which account and whose jobs are meant.

        The source of the access key is not part of it: a rotated key must not void approvals.
        """
        username: object = term.username
        if isinstance(term.username, SecretNode):
            # The source and not the value: whose variable it is counts, and no secret is read for a
            # digest.
            username = term.username.model_dump(exclude_none=True)
        users = [*sorted(term.names), *({"team": team} for team in sorted(term.teams))]
        return {
            "name": name,
            "address": term.base_url or term.region,
            "username": username,
            "users": users,
        }

    def _credentials(
        self, term: AccountTerm | OwnerTerm, at: tuple[str | int, ...]
    ) -> CredentialSource:
        # An owner's own credentials are usually those of the owner.
        username = term.username if isinstance(term, AccountTerm) else term.username or term.owner
        return CredentialSource(
            username=(
                self._secret(username, (*at, "username"))
                if isinstance(username, SecretNode)
                else username
            ),
            access_key=(
                self._secret(term.access_key, (*at, "access_key"))
                if isinstance(term.access_key, SecretNode)
                else None
            ),
            path=path_text(at),
            file=self._document.file,
            line=self._document.problems.place_of(at).line,
            address=term.address if isinstance(term, AccountTerm) else "",
        )

    def _secret(self, node: SecretNode, at: tuple[str | int, ...]) -> SecretSource:
        line = self._document.problems.place_of(at).line
        path, file = path_text(at), self._document.file
        if node.env is not None:
            return SecretSource("env", (node.env,), path, file, line, self._folder)
        if node.file is not None:
            return SecretSource("file", (node.file,), path, file, line, self._folder)
        assert node.command is not None
        return SecretSource("command", tuple(node.command), path, file, line, self._folder)

    def _archive(self) -> ArchiveConfig:
        term = self._term.archive
        percent, size = term.min_free
        trust = term.verify_before_delete
        return ArchiveConfig(
            self._location(term),
            term.settle.seconds,
            percent,
            size,
            term.verify,
            term.compress,
            trust.seconds if trust is not None else None,
        )

    def _location(self, term: ArchiveSettings) -> Path | S3Location:
        if term.url is None:
            return self._file(term.path)
        bucket, prefix = bucket_and_prefix(term.url)
        return S3Location(bucket, prefix, term.endpoint, term.region, self._s3_credentials(term))

    def _s3_credentials(self, term: ArchiveSettings) -> Callable[[], tuple[str, str]] | None:
        nodes = term.access_key_id, term.secret_access_key
        # Without them the environment has them, or a web identity, as for other programs.
        if not isinstance(nodes[0], SecretNode) or not isinstance(nodes[1], SecretNode):
            return None
        key_id = self._secret(nodes[0], ("archive", "access_key_id"))
        secret = self._secret(nodes[1], ("archive", "secret_access_key"))
        environ = self._environ

        def read() -> tuple[str, str]:
            return (
                key_id.resolve(environ).get_secret_value(),
                secret.resolve(environ).get_secret_value(),
            )

        return read

    def _export(self) -> MetricsExport:
        term = self._term.metrics
        return MetricsExport(
            textfile=self._file(term.textfile) if term.textfile else None,
            pushgateway=term.pushgateway,
            instance=term.instance,
        )

    def _webhooks(self) -> tuple[Webhook, ...]:
        return tuple(
            Webhook(self._secret(hook.url, ("notify", number, "url")), frozenset(hook.on))
            for number, hook in enumerate(self._term.notify)
            if isinstance(hook.url, SecretNode)
        )

    def _web(self) -> Web:
        term, auth = self._term.web, self._term.web.auth
        web = Web(
            term.listen, None, metrics_open=term.metrics == "open", hosts=frozenset(term.hosts)
        )
        if auth is None:
            return web
        token = auth.token
        return replace(
            web,
            token=(
                self._secret(token, ("web", "auth", "token"))
                if isinstance(token, SecretNode)
                else None
            ),
            users=self._file(auth.users) if auth.users else None,
            session_s=auth.session.seconds,
            idle_s=auth.idle.seconds,
        )
