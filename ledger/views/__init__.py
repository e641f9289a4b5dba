"""The projected tables: what the projectors write and everybody reads; all of it can be folded again."""
