"""The consumers of what the fold derives: charging top-ups, invoices, notices, the payment sweep come here."""
