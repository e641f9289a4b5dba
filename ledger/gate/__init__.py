"""The gate: holds, so that concurrent requests of an account never promise the same credit twice."""
