"""What the ledger shows and reports: the report of a month, the lines of a history, a book's differences, amounts."""
