"""The consumers: they charge top-ups, issue invoices, send notices, sweep payments, and keep house."""
