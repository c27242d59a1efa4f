"""Which table holds the grants that open one matter to an auditor, and what does each column hold?

The reason is sealed under the record's key; every other column holds ids, closed vocabulary or times.
"""

import sqlalchemy as sa

from tiprouter.domain.grant_states import GrantState
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_UNENDED = sa.text("state IN ('asked', 'approved', 'open')")

grants = sa.Table(
    "grants",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False, index=True),
    sa.Column("auditor", Id, nullable=False, comment="the one caller whom it opens the matter to"),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("until", Moment, nullable=False, comment="when it is over, opened or not"),
    sa.Column("asked_by", Id, nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("approved_by", Id),
    sa.Column("approved_at", Moment),
    sa.Column("opened_by", Id, comment="whoever approved second"),
    sa.Column("opened_at", Moment),
    sa.Column("revoked_by", Id),
    sa.Column("ended_at", Moment),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="why it was asked for"),
    sa.Index("ix_grants_until", "until", sqlite_where=_UNENDED, postgresql_where=_UNENDED),
    one_of("state", GrantState),
    sa.CheckConstraint(
        "opened_by IS NULL OR (opened_by <> approved_by AND opened_by <> asked_by AND approved_by <> asked_by)",
        name="two_others",
    ),
    sa.CheckConstraint("state <> 'open' OR opened_by IS NOT NULL", name="opened_by_somebody"),
    comment="What opens one record and everything that hangs from it to one auditor for a time.",
)
