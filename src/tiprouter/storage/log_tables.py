"""Which tables lead to entries of the log, and what does each column hold?

`log_told` is what a decision and an attempt point to, so that none is committed without its entry, or with two
(`storage/outbox.py`). The others are derived from the entries, by the transaction that stores them: they can be made
again, and prove nothing.
"""

import sqlalchemy as sa

from tiprouter.storage.columns import Id, Moment, metadata

log_mentions = sa.Table(
    "log_mentions",
    metadata,
    sa.Column(
        "word", sa.String(160), primary_key=True, comment="an id, or a member and its value, as it stands in entries"
    ),
    sa.Column("bundle", sa.BigInteger, primary_key=True, autoincrement=False, comment="256 entries, by index"),
    comment="Which entry bundles of the log name an id or a word.",
    sqlite_with_rowid=False,
)

log_spans = sa.Table(
    "log_spans",
    metadata,
    sa.Column("bundle", sa.BigInteger, primary_key=True, autoincrement=False, comment="256 entries, by index"),
    sa.Column("first_at", Moment, nullable=False),
    sa.Column("last_at", Moment, nullable=False),
    comment="From when to when the entries of each entry bundle are, whatever their order.",
)

log_told = sa.Table(
    "log_told",
    metadata,
    sa.Column("subject", Id, primary_key=True, comment="its id"),
    comment="Which decisions and attempts have their entry: none has two.",
    sqlite_with_rowid=False,
)


def told() -> sa.ForeignKey:
    """What the id of a row points to that must have exactly one entry. Deferred: the entries of a story come last."""
    return sa.ForeignKey("log_told.subject", deferrable=True, initially="DEFERRED")
