"""What makes docs/reference/events.md."""
