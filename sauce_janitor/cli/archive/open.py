"""`archive open`: show the archive as a page on this machine, until Ctrl-C."""

from __future__ import annotations

import signal
import threading
import webbrowser

import click

from sauce_janitor import terminal
from sauce_janitor.cli.app import Session
from sauce_janitor.cli.archive.view import open_archive_view
from sauce_janitor.errors import ConfigError


@click.command(name="open")
@click.option("--listen", default="127.0.0.1:0", show_default=True, metavar="HOST:PORT",
              help="An address of this machine only; port 0 picks a free port.")  # fmt: skip
@click.option("--no-browser", is_flag=True, help="Only print the address.")
@click.pass_obj
def open_page(session: Session, /, listen: str, *, no_browser: bool) -> int:
    """Show the archive in a browser: builds and jobs, each job's video beside its screenshots, logs
    and requests.

    Needs no internet, changes nothing, and can be reached from this machine only. Ctrl-C ends it.
    """
    from sauce_janitor.console.archive import ArchivePages
    from sauce_janitor.web.access.client_address import is_local
    from sauce_janitor.web.archive_page import archive_section
    from sauce_janitor.web.console import make_console
    from sauce_janitor.web.guard import AccessRules, Guard
    from sauce_janitor.web.job_page import job_section
    from sauce_janitor.web.server import RunningServer, ServerLimits

    host, colon, port = listen.rpartition(":")
    # The page asks for no token, so only this machine may reach it.
    if not colon or not port.isdecimal() or int(port) > 65_535 or not is_local(host.strip("[]")):
        raise ConfigError(
            f"--listen {listen!r:.80} is not a loopback address: write 127.0.0.1:PORT; from "
            "another machine, use `ssh -L`"
        )
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        with open_archive_view(session) as view:
            pages = ArchivePages(lambda: view.entries, lambda: view.catalogue, view.keep_up)
            archive = archive_section(pages, view.catalogue.root.at)
            page = make_console([archive, job_section(pages)])
            with RunningServer(
                Guard(page, AccessRules(listen)), listen, ServerLimits(threads=8)
            ) as serving:
                terminal.echo(f"The archive is open at {serving.url}/ until Ctrl-C.")
                if not no_browser:
                    webbrowser.open(f"{serving.url}/")
                stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
