"""The root of the command line: global options, and the table of commands.

A command's module is imported when the command is called, so that `--help` is fast.
"""

from __future__ import annotations

import gc
import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import click

from sauce_janitor import __version__, terminal
from sauce_janitor.cli.environment import ignored, restrict
from sauce_janitor.cli.global_options import accept_global
from sauce_janitor.cli.help_overview import uncut, write_tasks
from sauce_janitor.cli.repeated_options import refuse_repeated

if TYPE_CHECKING:
    from rich.console import Console

    from sauce_janitor.config import Config

COMMANDS = {
    "account": "setup.account:account",
    "apply": "run.plan_and_run:apply",
    "approve": "run.approve:approve",
    "archive": "archive.archive:archive",
    "assets": "jobs.assets:assets",
    "build": "jobs.builds:build",
    "builds": "jobs.builds:builds",
    "check": "setup.config:check",
    "completion": "completion:completion",
    "config": "setup.config:config",
    "demo": "setup.demo:demo",
    "diff": "what_if.diff:diff",
    "explain": "what_if.explain:explain",
    "hold": "jobs.hold:hold",
    "init": "setup.init:init",
    "insights": "jobs.insights:insights",
    "job": "jobs.list:job",
    "jobs": "jobs.list:jobs",
    "offboard": "run.offboard:offboard",
    "pause": "run.pause:pause",
    "plan": "run.plan_and_run:plan",
    "prove": "run.prove:prove",
    "resume": "run.pause:resume",
    "run": "run.plan_and_run:run",
    "sandbox": "setup.sandbox:sandbox",
    "schema": "setup.config:schema",
    "serve": "setup.serve:serve",
    "simulate": "what_if.simulate:simulate",
    "state": "setup.state:state",
    "status": "run.status:status",
    "stop": "jobs.change:stop",
    "tag": "jobs.change:tag",
    "user": "setup.user:user",
    "validate": "setup.config:check",
    "version": "completion:version",
}
"""Command name to `module:attribute` below this package."""

ALIASES = {"validate": "check"}
_GLOBAL = frozenset({"config_path", "log_format", "log_level", "no_color", "wide", "utc"})
"""The options of the root that are also accepted after a command's name."""


@dataclass(frozen=True, slots=True)
class Session:
    """The global options, as `click.Context.obj`."""

    config_path: Path
    log_format: str | None
    log_level: str | None
    color: bool | None
    wide: bool = False
    utc: bool = False

    def load(self, *, accounts_only: bool = False) -> Config:
        """Load the configuration, and show times in its time zone until the command ends.

        With `accounts_only`, for a command that decides nothing, policies and holds are not read.
        Raises ConfigError.
        """
        from sauce_janitor.config import load, load_accounts

        config = load_accounts(self.config_path) if accounts_only else load(self.config_path)
        self.show_times_as_in(config)
        return config

    def show_times_as_in(self, config: Config) -> None:
        """Show times in the configuration's time zone, or in UTC with --utc.

        The setting ends with the command, because a process may call several.
        """
        from datetime import UTC
        from zoneinfo import ZoneInfo

        from sauce_janitor.times import show_times_in

        show_times_in(UTC if self.utc else ZoneInfo(config.timezone))
        if context := click.get_current_context(silent=True):
            context.find_root().call_on_close(show_times_in)

    def console(self, *, error: bool = False) -> Console:
        """Return the console for tables and colours, on stdout or, with `error`, on stderr."""
        from sauce_janitor import report

        return report.console(color=self.color, error=error, wide=self.wide)


_GARBAGE_OBJECTS = 10_000


def expect_long_work() -> None:
    """Let Python look for cycles of unused objects often, for a command that may run for hours.

    Other commands end before such cycles take much memory: see `__main__`.
    """
    gc.set_threshold(_GARBAGE_OBJECTS)


class LazyGroup(click.Group):
    """A group that knows the names of its commands without importing them.

    So `--help` loads neither the database nor the web server.
    """

    _prepared: ClassVar[set[str]] = set()
    """The commands that already accept the global options."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(set(COMMANDS) - set(ALIASES))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        place = COMMANDS.get(cmd_name)
        # click then says that there is no such command.
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command = getattr(importlib.import_module(f"sauce_janitor.cli.{module}"), attribute)
        assert isinstance(command, click.Command)
        # A command is an object of the process: options must not be added a second time.
        if place not in self._prepared:
            self._prepared.add(place)
            restrict(command, cmd_name)
            named = [option for option in self.params if isinstance(option, click.Option)]
            accept_global(command, [option for option in named if option.name in _GLOBAL])
            if isinstance(command, click.Group):
                uncut(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the commands by task."""
        write_tasks(formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command, or fail with the name of the most similar one."""
        from difflib import get_close_matches

        if args and args[0] not in COMMANDS and (near := get_close_matches(args[0], COMMANDS, n=1)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and command is not None:
            # The completion of a shell reads lines that are not finished.
            if not ctx.resilient_parsing:
                refuse_repeated(command, ctx, args)
            # Before the command runs: whoever set the variable believes that it counts.
            for sentence in ignored(command, name, ctx.auto_envvar_prefix or ""):
                terminal.echo(f"sauce-janitor: {sentence}", err=True)
        return name, command, rest


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SAUCE_JANITOR"},
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config.yaml"),
    envvar="SAUCE_JANITOR_CONFIG",
    show_default=True,
    help="The configuration file.",
)
@click.option(
    "--log-format",
    type=click.Choice(["console", "json"]),
    help="Default: console on a terminal, else json.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="Default: warning on a terminal (with progress), else info.",
)
@click.option("-v", "--verbose", "log_level", flag_value="debug", help="Same as --log-level debug.")
@click.option(
    "-q", "--quiet", "log_level", flag_value="warning", help="Same as --log-level warning."
)
@click.option("--no-color", is_flag=True, help="Disable colors, as NO_COLOR does.")
@click.option("--wide", is_flag=True, help="Do not shorten tables to the terminal's width.")
@click.option("--utc", is_flag=True, help="Show times in UTC instead of the configured time zone.")
@click.version_option(__version__, prog_name="sauce-janitor", message="%(prog)s %(version)s")
@click.pass_context
def cli(
    ctx: click.Context,
    /,
    config_path: Path,
    log_format: str | None,
    log_level: str | None,
    **flags: bool,
) -> None:
    """Retention for Sauce Labs: archive what is worth keeping, prove the copy, and only then
    delete.

    Without --execute, `run` and `serve` change nothing at Sauce Labs; with it, and in `apply`, they
    do not ask. These ask first, unless --yes is given: approve, archive adopt, archive prune,
    assets --delete, hold add --tag, hold release, offboard, resume, stop, tag.

    Start with: sauce-janitor demo
    """
    # None: the console decides, by the terminal and NO_COLOR.
    color = False if flags["no_color"] else None
    ctx.obj = Session(
        config_path, log_format, log_level, color, wide=flags["wide"], utc=flags["utc"]
    )
