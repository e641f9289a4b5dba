"""A prepaid-credit ledger for LLM routers: one log, one fold, one writer; everything else reads."""
