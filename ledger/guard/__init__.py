"""The guard: no process of the ledger writes to a log that is not the one that its views were folded from."""
