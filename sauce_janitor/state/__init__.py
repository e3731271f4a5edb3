"""One database: tables, journal, holds, notices, leases."""
