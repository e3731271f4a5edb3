"""Notifications to webhooks: their content, and how they are sent without delaying a run."""

from sauce_janitor.notify.messages import Notification, payload
from sauce_janitor.notify.webhooks import WebhookSender, WebhookTarget

__all__ = ["Notification", "WebhookSender", "WebhookTarget", "payload"]
