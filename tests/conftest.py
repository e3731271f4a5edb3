"""What holds for every test: properties have no deadline (speed is measured in benchmarks/), and in CI no dice."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

# A machine under load is slow to make inputs too; that says nothing about the program.
settings.register_profile("desk", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("desk"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")
