"""Options that are given twice although only one value can count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click


def refuse_repeated(command: click.Command, parent: click.Context, words: Sequence[str]) -> None:
    """Raise UsageError if `words`, the name of `command` and all after it, have an option twice
    that takes one value.

    click would use the last one silently: `--passed --failed` or `--owner a --owner b`. Options of
    the root may be repeated: there the last one counts, as documented.
    """
    # An error of the command line is left to the real parsing, which explains it.
    probe = click.Context(command, parent, words[0], resilient_parsing=True)
    _, rest, order = command.make_parser(probe).parse_args(list(words[1:]))
    options = [each for each in order if isinstance(each, click.Option)]
    # --help shows the help, whatever else is typed.
    if any(option.is_eager for option in options):
        return
    for option, times in Counter(options).items():
        if times > 1 and _has_one_value(option):
            names = " or ".join([option.opts[0], *option.secondary_opts])
            raise click.UsageError(f"give {names} once, not {times} times", probe)
    if isinstance(command, click.Group) and rest:
        below = command.get_command(probe, rest[0])
        if below is not None:
            refuse_repeated(below, probe, rest)


def _has_one_value(option: click.Option) -> bool:
    # A flag twice means the same as once, unless it has an opposite. Hidden options are the root's.
    harmless = option.is_flag and not option.secondary_opts
    return not (option.multiple or option.hidden or harmless)
