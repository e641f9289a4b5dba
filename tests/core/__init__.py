"""Tests of the pure fold: examples as tables, and properties against an oracle that shares no code with it."""
