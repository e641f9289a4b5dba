"""The language of the ledger: what may be said on its topics and over its HTTP, exactly, and nothing about meaning."""
