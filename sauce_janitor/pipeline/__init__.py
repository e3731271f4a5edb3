"""One run, top to bottom: `running.run` is the sentence, the modules beside it its words. Only this knows every part."""

from sauce_janitor.pipeline.running import run
from sauce_janitor.pipeline.terms import Order, Progress, Result, Tools

__all__ = ["Order", "Progress", "Result", "Tools", "run"]
