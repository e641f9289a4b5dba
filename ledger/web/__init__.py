"""What the JSON API and the billing page share of HTTP: dependencies, and the status of each error."""
