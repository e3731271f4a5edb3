"""Telling people: what is worth a message, how it is said, and how it is sent without anybody
waiting for it.
"""

from sauce_janitor.notify.messages import Notification, payload
from sauce_janitor.notify.webhooks import WebhookSender, WebhookTarget

__all__ = ["Notification", "WebhookSender", "WebhookTarget", "payload"]
