"""The language of the ledger: the exact form of what is on its topics and in its HTTP. The rules are elsewhere."""
