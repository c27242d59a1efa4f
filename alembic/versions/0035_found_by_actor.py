"""Entries of the log are found by who made something happen.

Entries that are there are read some bundles at a time, and rows are only added: whoever reads or writes waits for
nothing. What a keeper of the version before stores meanwhile, today's adds at its start (`log_mentions.begun`).
"""

import re
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

BUNDLE = 256
AT_ONCE = 16 * BUNDLE
# As `storage/log_mentions.py` finds them; a migration keeps what it was written with.
NAMED = re.compile(rb'"actor":"[^"]*"')
ADD = "INSERT INTO log_mentions (word, bundle) VALUES (:word, :bundle) ON CONFLICT DO NOTHING"


def upgrade() -> None:
    """Go up."""
    for rows in _read():
        op.get_bind().execute(sa.text(ADD), rows)


def _read() -> Iterator[list[dict[str, object]]]:
    """Who made happen what the entries that are there tell, some bundles at a time."""
    connection, first = op.get_bind(), 0
    query = sa.text('SELECT "index", entry FROM log_entries WHERE "index" >= :first AND "index" < :last')
    while found := connection.execute(query, {"first": first, "last": first + AT_ONCE}).all():
        named = {
            (one.decode("ascii"), index // BUNDLE) for index, entry in found for one in NAMED.findall(bytes(entry))
        }
        if named:
            yield [{"word": word, "bundle": bundle} for word, bundle in sorted(named)]
        first += AT_ONCE


def downgrade() -> None:
    """Go down."""
    op.execute(sa.text("DELETE FROM log_mentions WHERE word LIKE '\"actor\":%'"))
