"""The Kafka group of the workers: one per ledger, and one of its own for every copy, which takes no partitions away."""

from ledger.postgres.connections import connect
from ledger.postgres.kinds import QUESTION
from ledger.settings import Settings

# A restored dump is another database, on whichever server it stands; which ledger it is a copy of makes no difference.
_DATABASE = """
SELECT left(md5(c.system_identifier || '/' || d.oid), 12)
FROM pg_control_system() c, pg_database d WHERE d.datname = current_database()
"""


def group_of(settings: Settings) -> str:
    """The group of this ledger's workers. Raises psycopg's OperationalError in a copy without Postgres."""
    name = settings.group("projector")
    if not settings.fold_only:
        return name
    with connect(settings.database, QUESTION) as connection:
        row = connection.execute(_DATABASE).fetchone()
    assert row, "every database is listed in pg_database"
    return f"{name}-copy-{row[0]}"
