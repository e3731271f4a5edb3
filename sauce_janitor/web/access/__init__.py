"""Who a client is, and what it sends: addresses, sessions, forms, and the pages to sign in."""
