"""A Sauce Labs look-alike on loopback: seeded, deterministic, honest where the documentation is and faulty on demand.

It imports nothing of the rest of the package, so that it can judge it.
"""

from sauce_janitor.sandbox.faults import Fault
from sauce_janitor.sandbox.messages import DestroyedAsset
from sauce_janitor.sandbox.options import Behaviours, Rate, SandboxOptions, choices
from sauce_janitor.sandbox.requestlog import Entry, RequestLog
from sauce_janitor.sandbox.running import Sandbox
from sauce_janitor.sandbox.world import Truth

__all__ = [
    "Behaviours",
    "DestroyedAsset",
    "Entry",
    "Fault",
    "Rate",
    "RequestLog",
    "Sandbox",
    "SandboxOptions",
    "Truth",
    "choices",
]
