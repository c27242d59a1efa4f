"""Which tables lead to entries of the log, and what does each column hold?

Both are derived from the entries, by the transaction that stores them: they can be made again, and prove nothing.
"""

import sqlalchemy as sa

from tiprouter.storage.columns import Moment, metadata

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
