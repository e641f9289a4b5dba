"""What composes the API, the billing page and their resources into one server, and serves it."""
