"""The router's client against a real Kafka and the real API: what it promises to its callers."""
