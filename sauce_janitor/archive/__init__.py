"""All archive work: fetching, receipts, verifying, catalogue."""
