"""A Sauce Labs look-alike on loopback: deterministic, as documented, and faulty on demand.

It imports nothing of the rest of the package, so that it can test it independently.
"""

from sauce_janitor.sandbox.core.messages import DestroyedAsset
from sauce_janitor.sandbox.core.options import Behaviours, Rate, SandboxOptions, choices
from sauce_janitor.sandbox.core.request_log import LoggedRequest, RequestLog
from sauce_janitor.sandbox.injected_faults import Fault
from sauce_janitor.sandbox.run import Sandbox
from sauce_janitor.sandbox.world.world import Truth

__all__ = [
    "Behaviours",
    "DestroyedAsset",
    "Fault",
    "LoggedRequest",
    "Rate",
    "RequestLog",
    "Sandbox",
    "SandboxOptions",
    "Truth",
    "choices",
]
