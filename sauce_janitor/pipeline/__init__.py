"""One run, top to bottom: `running.run` is the sentence, the modules beside it its words. Only this knows every part."""

from sauce_janitor.pipeline.progress import Progress
from sauce_janitor.pipeline.running import run
from sauce_janitor.pipeline.terms import Order, Result, Tools

__all__ = ["Order", "Progress", "Result", "Tools", "run"]
