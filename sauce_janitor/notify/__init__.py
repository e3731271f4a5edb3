"""Telling people: what is worth a message, how it is said, and how it is sent without anybody waiting for it."""

from sauce_janitor.notify.messages import Tiding, payload
from sauce_janitor.notify.webhooks import Hook, Poster

__all__ = ["Hook", "Poster", "Tiding", "payload"]
