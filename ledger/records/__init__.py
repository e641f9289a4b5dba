"""What can't be folded again: topics, outbox, API keys, idempotency keys; and the migrations of the database."""
