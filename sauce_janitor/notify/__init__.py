"""Telling people: what is worth a message, how it is said, and how it is sent without anybody waiting for it."""

from sauce_janitor.notify.posting import Hook, Poster
from sauce_janitor.notify.tidings import Tiding, payload

__all__ = ["Hook", "Poster", "Tiding", "payload"]
