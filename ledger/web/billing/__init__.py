"""The billing page as HTML: how amounts, days and errors are written, its colors and its chart. No rule lives here."""
