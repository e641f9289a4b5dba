"""The rules of the ledger, pure: no clock, no random numbers, no I/O; only the standard library and `schemas`."""
