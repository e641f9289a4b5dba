"""The Kafka group of the workers: one per ledger. Each copy has its own, so it takes no partitions away."""

from ledger.postgres.connections import connect
from ledger.postgres.kinds import QUESTION
from ledger.settings import Settings

# Identifies the database, so that each restored copy has a group of its own.
_DATABASE = """
SELECT left(md5(c.system_identifier || '/' || d.oid), 12)
FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()
"""


def group_of(settings: Settings) -> str:
    """The group of this ledger's workers. In a copy, raises psycopg's OperationalError if Postgres does not answer."""
    name = settings.group("projector")
    if not settings.fold_only:
        return name
    with connect(settings.database, QUESTION) as connection:
        row = connection.execute(_DATABASE).fetchone()
    assert row, "every database is listed in pg_database"
    return f"{name}-copy-{row[0]}"
