"""Would the database's server still know tomorrow what it says it committed today, and what time is it there?

1. On PostgreSQL: what `fsync`, `full_page_writes`, `synchronous_commit` and `synchronous_standby_names` are for this
   connection, whether standbys are connected, and whether this server is itself one that only follows.
2. On SQLite the service sets what matters itself (`storage/database.py`), and the clock is this machine's.

It asks and changes nothing. Not promised: that a disk keeps what it says it keeps.
"""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

_ASKED = sa.text(
    "SELECT clock_timestamp() AS now, current_setting('fsync') AS fsync,"
    " current_setting('full_page_writes') AS full_page_writes,"
    " current_setting('synchronous_commit') AS synchronous_commit,"
    " current_setting('synchronous_standby_names') AS standby_names,"
    " (SELECT count(*) FROM pg_stat_replication) AS standbys,"
    " pg_is_in_recovery() AS follows"
)


@dataclass(frozen=True, slots=True)
class Server:
    """What a PostgreSQL server says of itself. `now` is its clock, UTC-aware."""

    now: datetime
    fsync: str
    full_page_writes: str
    synchronous_commit: str
    standby_names: str
    standbys: int
    follows: bool


def server(tx: Connection) -> Server | None:
    """What the server says (rule 1); None on SQLite (rule 2)."""
    if tx.dialect.name != "postgresql":
        return None
    row = tx.execute(_ASKED).one()
    return Server(*row)
