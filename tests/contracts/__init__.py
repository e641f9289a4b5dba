"""Tests of the language and of whatever else is promised to the outside."""
