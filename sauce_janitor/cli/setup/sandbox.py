"""`sandbox`: run a Sauce Labs look-alike on which to try policies."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import expect_long_work

if TYPE_CHECKING:
    from sauce_janitor.sandbox import SandboxOptions

_FILE = click.Path(path_type=Path, dir_okay=False)
_EXISTING_FILE = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), metavar="N", default=0, help="Default: a free port."
)
@click.option(
    "--jobs",
    type=click.IntRange(0),
    metavar="N",
    default=2000,
    show_default=True,
    help="Number of jobs of the main user.",
)
@click.option(
    "--colleagues",
    type=click.IntRange(0, 9999),
    metavar="N",
    default=0,
    help="Number of other users in the organization.",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    show_default=True,
    help="The same seed makes the same jobs and files.",
)
@click.option(
    "--now",
    type=click.IntRange(0),
    metavar="N",
    help="Freeze the sandbox's clock at this time, in epoch seconds. Default: the real time.",
)
@click.option(
    "--days",
    type=click.IntRange(1),
    metavar="N",
    default=45,
    show_default=True,
    help="Age of the oldest jobs, in days.",
)
@click.option(
    "--rate",
    default=None,
    metavar="RATE",
    help="Answer 429 beyond this rate: 10/s, 3500/h, or both with a comma.",
)
@click.option("--faults", type=_EXISTING_FILE, help="Named faults to inject (YAML).")
@click.option("--user", default="demo", show_default=True, help="The main user's name.")
@click.option(
    "--access-key", default="demo-key", show_default=True, help="The main user's access key."
)
@click.option(
    "--request-log", type=_FILE, help="Append every request to this file, one JSON object per line."
)
@click.option(
    "--behavior",
    "behaviours",
    multiple=True,
    metavar="KEY=VALUE",
    help="How the API behaves where it is undocumented. Repeatable.",
)
@click.option(
    "--delete-path",
    type=click.Choice(["v1", "v1.1", "both", "none"]),
    help="Which address deletes a job. Same as --behavior delete_path=….",
)
@click.option(
    "--tls-certificate", type=_EXISTING_FILE, help="Serve HTTPS with this certificate (PEM)."
)
@click.option("--tls-key", type=_EXISTING_FILE, help="The certificate's private key (PEM).")
@click.pass_context
def sandbox(ctx: click.Context, /, **options: Any) -> None:
    """Run a Sauce Labs look-alike on this machine, until SIGINT or SIGTERM. It needs no account and
    touches nothing real.
    """
    import errno
    import signal
    import threading

    from sauce_janitor.sandbox import Sandbox

    expect_long_work()
    stopping = threading.Event()
    # Before the server starts: a signal ends it cleanly at any time.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        server = Sandbox(_options(options))
    except OSError as error:
        text = str(error)
        if error.errno == errno.EADDRINUSE:
            text = f"port {options['port']} is in use: choose another one, or leave --port out"
        # Otherwise a file cannot be read.
        raise click.UsageError(text, ctx) from error
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error
    with server:
        terminal.echo(
            f"Sandbox: {server.base_url}  user {server.user}, access key {server.access_key}"
        )
        terminal.echo(
            f"{server.options.jobs} jobs of {server.user}, seed {server.options.seed}. Paste this "
            "in another terminal:\n"
        )
        terminal.echo(f"  export SAUCE_USERNAME={shlex.quote(server.user)}")
        terminal.echo(f"  export SAUCE_ACCESS_KEY={shlex.quote(server.access_key)}\n")
        terminal.echo(
            f"and use `base_url: {server.base_url}` in the configuration. Stop with Ctrl-C."
        )
        stopping.wait()


def _options(options: dict[str, Any]) -> SandboxOptions:
    """Return the sandbox's options. Raises ValueError for an unknown rate or behaviour."""
    from sauce_janitor.sandbox import Behaviours, Rate, SandboxOptions

    settings: dict[str, str] = {}
    for pair in options["behaviours"]:
        key, equals, value = pair.partition("=")
        if not equals:
            raise ValueError(f"a behavior is KEY=VALUE, not {pair!r}")
        settings[key] = value
    # After --behavior: the option of its own wins.
    if options["delete_path"]:
        settings["delete_path"] = options["delete_path"]
    return SandboxOptions(
        jobs=options["jobs"],
        seed=options["seed"],
        colleagues=options["colleagues"],
        user=options["user"],
        access_key=options["access_key"],
        port=options["port"],
        now=options["now"],
        days=options["days"],
        rate=Rate.parse(options["rate"]) if options["rate"] else Rate(),
        behaviours=Behaviours().changed(settings),
        faults=options["faults"],
        request_log=options["request_log"],
        certificate=options["tls_certificate"],
        private_key=options["tls_key"],
    )
