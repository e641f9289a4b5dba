"""The router's client against a real Kafka and the real API: what it promises to whoever calls it."""
