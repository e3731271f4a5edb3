"""The global options, which are taken after a command, too: `plan --config x -v` is `--config x -v
plan`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click


def accept_global(command: click.Command, options: list[click.Option]) -> None:
    """Let `command`, and all below it, take these options of the root; what stands last on the line
    counts.

    A name that the command uses itself keeps the command's meaning. They are not shown in its help,
    and have no variable.
    """
    own = {name for parameter in command.params for name in parameter.opts}
    for option in options:
        if option.opts and not own & {*option.opts, *option.secondary_opts}:
            command.params.append(_hidden(option))
    if isinstance(command, click.Group):
        for below in command.commands.values():
            accept_global(below, options)


def _hidden(option: click.Option) -> click.Option:
    # click takes any `flag_value`, None included, to mean that the option may stand without a value
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
        wanted = {"no_color": "color"}.get(field, field)
        context.obj = replace(context.obj, **{wanted: not value if field == "no_color" else value})
        return value

    return set_field
