"""What Prometheus is told: the names, the numbers, and where one-shot runs leave them."""

from sauce_janitor.metrics.catalogue import ALL, PREFIX, Family
from sauce_janitor.metrics.handing import NotTakenError, push, write_textfile
from sauce_janitor.metrics.registry import Metrics

__all__ = ["ALL", "PREFIX", "Family", "Metrics", "NotTakenError", "push", "write_textfile"]
