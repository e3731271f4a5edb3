"""Lets a package offer names of its modules without importing them before they are used.

A command that only reads takes more time to import modules than to do its work. A package with many
modules, of which such a command needs a few, therefore ends like this:

    if TYPE_CHECKING:
        from sauce_janitor.archive.store import Archive
    else:
        __getattr__ = late_names(__name__, {"store": "Archive"})

tests/unit/test_facade.py holds both lists and `__all__` equal. What runs long calls
`import_late_modules` first.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Final

_LIBRARIES: Final = ("filelock",)
"""Libraries that modules import in a function, for the same reason."""
_late_modules: set[str] = set()


def late_names(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return the package's `__getattr__`. `modules` has each module's names, with blanks."""
    homes = {name: module for module, names in modules.items() for name in names.split()}
    _late_modules.update(f"{package}.{module}" for module in modules)

    def imported(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        # The next use finds it without this function.
        setattr(sys.modules[package], name, value)
        return value

    return imported


def import_late_modules() -> None:
    """Import what the packages in use offer late. For what runs long or writes, before it begins:
    an upgrade in place would otherwise give it modules of two versions.
    """
    for module in (*_LIBRARIES, *sorted(_late_modules)):
        importlib.import_module(module)
