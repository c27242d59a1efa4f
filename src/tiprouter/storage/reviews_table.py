"""Which tables hold the review queue, and what does each column hold?

The reviewer's rationale is sealed under the record's key; every other column holds ids, closed vocabulary or times.
"""

import sqlalchemy as sa

from tiprouter.domain.states import ReviewState
from tiprouter.domain.vocabulary import Establishable, ReviewAnswer, Urgency
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_WAITING = sa.text("warn_at IS NOT NULL")

reviews = sa.Table(
    "reviews",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("decision_id", Id, sa.ForeignKey("decisions.id"), nullable=False, unique=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), nullable=False),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("urgency", sa.String(10), nullable=False, comment="imminent comes first, whatever the deadlines"),
    sa.Column("about", sa.String(64), nullable=False, comment="digest of the revision, facts and bundle it is about"),
    sa.Column("deadline", Moment, nullable=False),
    sa.Column("warn_at", Moment, comment="when a human is told next that it waits; null once nobody need be"),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("claimed_by", Id),
    sa.Column("claimed_until", Moment),
    sa.Column("answer", sa.String(10)),
    sa.Column("categories", sa.JSON, nullable=False, comment="what was released"),
    sa.Column("decided_by", Id),
    sa.Column("decided_at", Moment),
    sa.Column("confirmed_by", Id),
    sa.Column("confirmed_at", Moment),
    sa.Column("sealed", sa.LargeBinary, comment="the reviewer's rationale, and the salt of its commitment in the log"),
    sa.Index("ix_reviews_record", "record_id", "state"),
    sa.Index("ix_reviews_queue", "state", "urgency", "deadline", "id"),
    sa.Index("ix_reviews_warn", "warn_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
    one_of("state", ReviewState),
    one_of("urgency", Urgency),
    one_of("answer", ReviewAnswer),
    comment="Held decisions that a human looks at, and what was answered.",
)

established = sa.Table(
    "established",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False, index=True),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), nullable=False),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), comment="of a duty; null for every other fact"),
    sa.Column("fact", sa.String(12), nullable=False),
    sa.Column("value", sa.String(16), nullable=False),
    sa.Column("review_id", Id, sa.ForeignKey("reviews.id"), nullable=False, comment="whose rationale it has"),
    sa.Column("established_by", Id, nullable=False),
    sa.Column("established_at", Moment, nullable=False),
    one_of("fact", Establishable),
    comment="Facts that reviewers established where the record leaves them unknown.",
)
