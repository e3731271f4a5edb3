"""The newest plan of each account, stored for pages: a head, and its jobs packed into parts."""

from sauce_janitor.state.plans.plan_store import Plans

__all__ = ["Plans"]
