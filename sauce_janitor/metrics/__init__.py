"""Metrics for Prometheus: the families, their values, and the export of one-shot runs."""

from sauce_janitor.metrics.export import MetricsExportError, push, write_textfile
from sauce_janitor.metrics.families import ALL, PREFIX, MetricFamily
from sauce_janitor.metrics.registry import Metrics

__all__ = [
    "ALL",
    "PREFIX",
    "MetricFamily",
    "Metrics",
    "MetricsExportError",
    "push",
    "write_textfile",
]
