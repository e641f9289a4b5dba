"""The one way to Postgres: kinds of connection, connecting, pools, the check of the release, and whether it answers."""
