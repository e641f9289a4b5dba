"""The customer's billing page: its routes, forms, messages, chart, templates and static files."""
