"""The HTTP API: usage in, accounts and their history out, a few signed writes that wait for their verdict."""
