"""Stories of accounts, told as text tables and folded line by line."""
