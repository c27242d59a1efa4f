"""Which rows keep the questions that agencies ask about what they were sent, and the hotline's answers?"""

import sqlalchemy as sa

from tiprouter.domain.question import QuestionState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_LATE = sa.text("late_at IS NOT NULL")

questions = sa.Table(
    "questions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("acknowledgement_id", Id, sa.ForeignKey("acknowledgements.id"), nullable=False, unique=True),
    sa.Column("disclosure_id", Id, sa.ForeignKey("disclosures.id"), nullable=False),
    sa.Column("matter_id", Id, sa.ForeignKey("matters.id"), nullable=False),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False, index=True),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("urgency", sa.String(10), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("deadline", Moment, nullable=False, comment="until when the hotline should have answered"),
    sa.Column("late_at", Moment, comment="when a human is told that it was not; null once told, or settled"),
    sa.Column("settled_at", Moment),
    sa.Column("settled_by", Id, comment="who answered, or whose story closed it"),
    sa.Column("cause", sa.String(40), comment="why it is not open any more"),
    sa.Column("carried_by", Id, comment="the disclosure that carries the answer"),
    sa.Column("sealed", sa.LargeBinary, comment="the answer as the hotline gave it"),
    sa.Index("ix_questions_state", "state", "id"),
    sa.Index("ix_questions_late", "late_at", sqlite_where=_LATE, postgresql_where=_LATE),
    one_of("urgency", Urgency),
    one_of("state", QuestionState),
    comment="What agencies asked about what they were sent.",
)
