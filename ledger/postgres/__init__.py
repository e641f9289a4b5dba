"""The one way to Postgres: connections, pools, and whether it answers."""
