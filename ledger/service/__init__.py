"""What the ledger can do, one module per subject: a caller and values in, a value or a LedgerError out. No HTTP."""
