"""Which rows keep the pages to people: one for each notice, channel and repeat; who was alarmed; who has seen what."""

import sqlalchemy as sa

from tiprouter.domain.notice import PageChannel, Severity
from tiprouter.domain.page_states import PageState
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_DUE = sa.text("state IN ('waiting', 'failed')")
_ALARMING = sa.text("next_at IS NOT NULL")

pages = sa.Table(
    "pages",
    metadata,
    sa.Column("id", Id, primary_key=True, comment="also the webhook-id, and the name in the Message-ID"),
    sa.Column("notice_id", Id, sa.ForeignKey("notices.id"), nullable=False),
    sa.Column("channel", sa.String(10), nullable=False),
    sa.Column("repeat", sa.Integer, nullable=False, comment="0 for the first, then each repeat of an imminent notice"),
    sa.Column("severity", sa.String(10), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Moment, nullable=False),
    sa.Column("give_up_at", Moment, nullable=False, comment="when trying ends, if it was tried at all"),
    sa.Column("digest", Id, comment="the letter in which it was last sent together with others"),
    sa.Column("started_at", Moment, comment="when the last attempt began"),
    sa.Column("lease", Id, comment="fencing token of the claim"),
    sa.Column("lease_until", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.UniqueConstraint("notice_id", "channel", "repeat"),
    sa.Index("ix_pages_due", "channel", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
    sa.Index("ix_pages_started", "channel", "started_at"),
    sa.Index("ix_pages_finished", "channel", "state", "finished_at"),
    one_of("channel", PageChannel),
    one_of("severity", Severity),
    one_of("state", PageState),
    comment="What people are to be told outside, through each channel.",
)

alarms = sa.Table(
    "alarms",
    metadata,
    sa.Column("notice_id", Id, sa.ForeignKey("notices.id"), primary_key=True),
    sa.Column("repeats", sa.Integer, nullable=False),
    sa.Column("next_at", Moment, comment="when it is repeated next; null once it has ended"),
    sa.Index("ix_alarms_due", "next_at", sqlite_where=_ALARMING, postgresql_where=_ALARMING),
    comment="Imminent notices, and how often they were repeated.",
)

heeded = sa.Table(
    "heeded",
    metadata,
    sa.Column("notice_id", Id, sa.ForeignKey("notices.id"), primary_key=True),
    sa.Column("caller", Id, nullable=False),
    sa.Column("heeded_at", Moment, nullable=False),
    comment="Who was the first to acknowledge a notice.",
)
