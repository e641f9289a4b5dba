"""Kafka in and out: topics, publishing with acknowledgement, reading records as facts, following the book."""
