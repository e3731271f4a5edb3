"""The server's time in statements: all machines share it, whatever their own clocks show."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Float, literal_column

NOW: Final = literal_column("extract(epoch from clock_timestamp())::double precision", Float)
"""The time in epoch seconds; not that of the transaction, which began earlier."""
