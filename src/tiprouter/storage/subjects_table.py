"""Which tables keep what a subject is owed: where they appear, what may not be erased, what they are told, and when?

Free text (why something is held, who asked, why a notice waits) is sealed; every other column holds ids, closed
vocabulary or times.
"""

import sqlalchemy as sa

from tiprouter.domain.subject_states import SubjectNoticeState
from tiprouter.domain.vocabulary import NoticeRule, StatementForm
from tiprouter.storage.columns import SEALED, Id, Moment, metadata, one_of

_STANDING = sa.text("released_at IS NULL")

appearances = sa.Table(
    "appearances",
    metadata,
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), primary_key=True),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), primary_key=True, index=True),
    sa.Column("erased_at", Moment, comment="when the person was taken out of the record"),
    comment="Which persons any revision of a record ever named: where erasing them has to look.",
)

holds = sa.Table(
    "holds",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False, index=True),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="why, and who asked for it"),
    sa.Column("placed_by", Id, nullable=False),
    sa.Column("placed_at", Moment, nullable=False),
    sa.Column("released_by", Id),
    sa.Column("released_at", Moment),
    sa.Index("ix_holds_standing", "record_id", sqlite_where=_STANDING, postgresql_where=_STANDING),
    comment="What must be kept, whoever asks for its erasure: legal holds.",
)

erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("about", Id, nullable=False, index=True, comment="a person or a record"),
    sa.Column("requested_by", Id, nullable=False),
    sa.Column("requested_at", Moment, nullable=False),
    sa.Column("confirmed_by", Id),
    sa.Column("erased_at", Moment),
    comment="What one person asked to erase and another confirmed.",
)

suspensions = sa.Table(
    "suspensions",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), nullable=False, index=True),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("form", sa.String(8), nullable=False),
    sa.Column("until", Moment, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="who asked; under a data key of its own"),
    sa.Column("made_by", Id, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Index("ix_suspensions_until", "until", sqlite_where=SEALED, postgresql_where=SEALED),
    one_of("form", StatementForm),
    comment="Until when a subject's copy of the accounting leaves a recipient out: 45 CFR 164.528(a)(2).",
)

_OPEN = sa.text("state IN ('due', 'deferred')")
_DEFERRED = sa.text("state = 'deferred'")
_SETTLED = sa.text("sealed IS NOT NULL AND state IN ('given', 'moot')")
_DUE = sa.text("state = 'due'")

subject_notices = sa.Table(
    "subject_notices",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), nullable=False, index=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False, index=True),
    sa.Column("matter_id", Id, sa.ForeignKey("matters.id")),
    sa.Column("disclosure_id", Id, sa.ForeignKey("disclosures.id")),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id")),
    sa.Column("rule", sa.String(10), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("disclosed_at", Moment, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("until", Moment, comment="when a deferred one is due again"),
    sa.Column("changed_by", Id),
    sa.Column("changed_at", Moment),
    sa.Column("sealed", sa.LargeBinary, comment="why it waits, or how it was given"),
    sa.Column("evidence_id", Id, comment="the call or letter that told it"),
    sa.Column("remind_at", Moment, comment="when somebody is told again that it is due"),
    sa.Column("given_at", Moment, comment="when the person was told"),
    sa.Index(
        "ix_subject_notices_one", "person_id", "matter_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
    ),
    sa.Index("ix_subject_notices_settled", "changed_at", sqlite_where=_SETTLED, postgresql_where=_SETTLED),
    sa.Index("ix_subject_notices_until", "until", sqlite_where=_DEFERRED, postgresql_where=_DEFERRED),
    sa.Index("ix_subject_notices_remind", "remind_at", sqlite_where=_DUE, postgresql_where=_DUE),
    sa.CheckConstraint("(disclosure_id IS NULL) <> (evidence_id IS NULL)", name="told_one_way"),
    one_of("rule", NoticeRule),
    one_of("state", SubjectNoticeState),
    comment="Whom we owe the word that something was disclosed about them without their asking.",
)
