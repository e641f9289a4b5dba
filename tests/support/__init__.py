"""What the tests of the projector share: workers as processes, events to publish, and exact expectations."""
