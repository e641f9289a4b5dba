"""The customer's billing page, whole: routes, forms, messages, chart, templates and static files."""
