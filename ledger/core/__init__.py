"""The pure fold: every rule of the ledger; no clock, no random, no I/O, standard library and schemas only."""
