"""The HTTP pages: read-only, behind one guard, served within limits."""
