"""Global options after a command's name: `plan --config x -v` is `--config x -v plan`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any

import click


def accept_global(command: click.Command, options: list[click.Option]) -> None:
    """Let `command`, and all below it, accept these options of the root.

    The last one on the command line counts. A name that the command uses itself keeps the command's
    meaning. The options are hidden in the command's help, and have no environment variable.
    """
    own = set(chain.from_iterable(parameter.opts for parameter in command.params))
    for option in options:
        if option.opts and not own & {*option.opts, *option.secondary_opts}:
            command.params.append(_hidden(option))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            accept_global(below, options)


def _hidden(option: click.Option) -> click.Option:
    # For click, any `flag_value`, even None, means that the option may stand without a value.
    flag = (
        {"is_flag": True, "flag_value": option.flag_value}
        if option.is_flag
        else {"type": option.type}
    )
    return click.Option(
        [*option.opts, f"global_{option.opts[-1].strip('-').replace('-', '_')}"],
        default=None,
        hidden=True,
        expose_value=False,
        allow_from_autoenv=False,
        callback=_setter(option.name or ""),
        **flag,
    )


def _setter(field: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    def set_field(context: click.Context, _parameter: click.Parameter, value: Any) -> Any:
        if value is None or context.resilient_parsing:
            return value
        # The session has the positive setting: --no-color is color=False.
        if field == "no_color":
            context.obj = replace(context.obj, color=not value)
        else:
            context.obj = replace(context.obj, **{field: value})
        return value

    return set_field
