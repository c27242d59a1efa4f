"""Which table holds what one person asked another's word for, and what does each column hold?

Every column holds ids, closed vocabulary or times.
"""

import sqlalchemy as sa

from tiprouter.domain.second_word_states import ByTwo, SecondWordState
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_UNENDED = sa.text("state IN ('asked', 'said')")

second_words = sa.Table(
    "second_words",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("act", sa.String(12), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False, comment="what it is done to: a recipient, a record, a bundle"),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("until", Moment, nullable=False, comment="when it is over, said or not"),
    sa.Column("asked_by", Id, nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("said_by", Id),
    sa.Column("said_at", Moment),
    sa.Column("ended_by", Id, comment="whoever used it or took it back"),
    sa.Column("ended_at", Moment),
    sa.Index("ix_second_words_subject", "subject", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
    one_of("act", ByTwo),
    one_of("state", SecondWordState),
    sa.CheckConstraint("said_by IS NULL OR said_by <> asked_by", name="another"),
    sa.CheckConstraint("state NOT IN ('said', 'used') OR said_by IS NOT NULL", name="said_by_somebody"),
    comment="What one person asked to do and another confirms before they may: keys, exports, a roll-back.",
)
