"""The HTTP API: JSON only. Its routes read a request, call `ledger.service`, and write the answer."""
