"""Lets a package offer names of its modules without importing them before they are used.

A command that only reads takes more time to import modules than to do its work. A package with many
modules, of which such a command needs a few, therefore ends like this:

    if TYPE_CHECKING:
        from sauce_janitor.archive.store import Archive
    else:
        __getattr__ = late_names(__name__, {"store": "Archive"})

tests/unit/test_facade.py holds both lists and `__all__` equal.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping


def late_names(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return the package's `__getattr__`. `modules` has each module's names, with blanks."""
    homes = {name: module for module, names in modules.items() for name in names.split()}

    def imported(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}", name=name)
        value = getattr(importlib.import_module(f"{package}.{homes[name]}"), name)
        # The next use finds it without this function.
        setattr(sys.modules[package], name, value)
        return value

    return imported
