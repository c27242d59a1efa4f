"""Entries of the log are found by what they name, and by their time."""

import re
from collections.abc import Iterator

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0019"
branch_labels = None
depends_on = None

BUNDLE = 256
AT_ONCE = 16 * BUNDLE
# As `storage/log_mentions.py` finds them; a migration keeps what it was written with.
NAMED = re.compile(rb'"(?:tip|case|rcp|dec|dis|msg)_[0-9A-Z]{26}"|"(?:actor_class|bundle|outcome)":"[^"]*"')
SPANS = """
INSERT INTO log_spans (bundle, first_at, last_at)
SELECT "index" / 256, min("at"), max("at") FROM log_entries GROUP BY "index" / 256
"""


def upgrade() -> None:
    """Go up."""
    mentions = op.create_table(
        "log_mentions",
        sa.Column(
            "word",
            sa.String(length=160),
            nullable=False,
            comment="an id, or a member and its value, as it stands in entries",
        ),
        sa.Column("bundle", sa.BigInteger(), autoincrement=False, nullable=False, comment="256 entries, by index"),
        sa.PrimaryKeyConstraint("word", "bundle", name=op.f("pk_log_mentions")),
        comment="Which entry bundles of the log name an id or a word.",
        sqlite_with_rowid=False,
    )
    op.create_table(
        "log_spans",
        sa.Column("bundle", sa.BigInteger(), autoincrement=False, nullable=False, comment="256 entries, by index"),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("bundle", name=op.f("pk_log_spans")),
        comment="From when to when the entries of each entry bundle are, whatever their order.",
    )
    for rows in _read():
        op.bulk_insert(mentions, rows)
    op.execute(sa.text(SPANS))


def _read() -> Iterator[list[dict[str, object]]]:
    """What the entries that are there name, some bundles at a time."""
    connection, first = op.get_bind(), 0
    query = sa.text('SELECT "index", entry FROM log_entries WHERE "index" >= :first AND "index" < :last')
    while found := connection.execute(query, {"first": first, "last": first + AT_ONCE}).all():
        named = {
            (index // BUNDLE, one.decode("ascii")) for index, entry in found for one in NAMED.findall(bytes(entry))
        }
        yield [{"word": word, "bundle": bundle} for bundle, word in sorted(named)]
        first += AT_ONCE


def downgrade() -> None:
    """Go down."""
    op.drop_table("log_spans")
    op.drop_table("log_mentions")
