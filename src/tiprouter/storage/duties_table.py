"""Which tables keep the duties and the evidence that people give for them?"""

import sqlalchemy as sa

from tiprouter.domain.discharge import CallOutcome, EvidenceKind
from tiprouter.domain.states import DutyPhase
from tiprouter.domain.vocabulary import RecipientKind
from tiprouter.storage.columns import Id, Moment, metadata, one_of

duties = sa.Table(
    "duties",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False, index=True),
    sa.Column("person_id", Id, sa.ForeignKey("persons.id"), nullable=False),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), comment="null where no agency was found"),
    sa.Column("decision_id", Id, sa.ForeignKey("decisions.id"), nullable=False, comment="what owes it now"),
    sa.Column("phase", sa.String(12), nullable=False),
    sa.Column("shares", sa.JSON, nullable=False, comment="the parts that must be told; counties are blinded"),
    sa.Column("barred", sa.Boolean, nullable=False, comment="the agency is accused: nothing it says is evidence"),
    sa.Column("blocked", sa.Boolean, nullable=False, comment="nothing is sent for it"),
    sa.Column("needs_call", sa.Boolean, nullable=False),
    sa.Column("opened_at", Moment, nullable=False),
    sa.Column("received_at", Moment, nullable=False, comment="what its clocks run from"),
    sa.Column("deadline", Moment, nullable=False),
    sa.Column("written_by", Moment, comment="when a report in writing is owed"),
    sa.Column("written_if_called", Moment, comment="when one would be, had it been told by a call"),
    sa.Column("written_requested", Moment, comment="when the agency asked for one"),
    sa.Column("written_id", Id, comment="the evidence of the report in writing"),
    sa.Column("discharged_by", sa.String(12)),
    sa.Column("evidence_id", Id, comment="the acknowledgement or call that discharged it"),
    sa.Column("ended_at", Moment),
    sa.Column("cause", sa.String(40), comment="why it was lifted"),
    sa.Column("current", sa.Boolean, nullable=False, comment="false once a later duty took its place"),
    sa.Column("look_at", Moment, comment="when somebody is to be told of it; null when nobody is"),
    sa.Index(
        "ix_duties_one",
        "record_id",
        "person_id",
        "recipient_id",
        unique=True,
        sqlite_where=sa.text("current"),
        postgresql_where=sa.text("current"),
    ),
    sa.Index(
        "ix_duties_owing",
        "record_id",
        sqlite_where=sa.text("current = 1 AND phase IN ('open', 'overdue')"),
        postgresql_where=sa.text("current AND phase IN ('open', 'overdue')"),
    ),
    sa.Index(
        "ix_duties_look",
        "look_at",
        sqlite_where=sa.text("look_at IS NOT NULL"),
        postgresql_where=sa.text("look_at IS NOT NULL"),
    ),
    one_of("phase", DutyPhase),
    one_of("discharged_by", EvidenceKind),
    sa.CheckConstraint(
        "(phase = 'discharged') = (discharged_by IS NOT NULL AND evidence_id IS NOT NULL AND ended_at IS NOT NULL)",
        name="discharged_by_evidence",
    ),
    comment="What must be told, to whom, by when, and what showed that it was.",
)

OWES = sa.and_(duties.c.current == sa.true(), sa.text("phase IN ('open', 'overdue')"))
"""A duty without evidence. Spelt out, so that the planner sees the partial index of these words."""

duty_calls = sa.Table(
    "duty_calls",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("duty_id", Id, sa.ForeignKey("duties.id"), nullable=False, index=True),
    sa.Column("outcome", sa.String(12), nullable=False),
    sa.Column("kind", sa.String(20), comment="who was called in the recipient's place; null for the recipient"),
    sa.Column("place", sa.String(64), comment="and of which jurisdiction"),
    sa.Column("called_at", Moment, nullable=False),
    sa.Column("made_by", Id, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="names, number, reference, notes"),
    one_of("outcome", CallOutcome),
    one_of("kind", RecipientKind),
    comment="Telephone calls that people made for a duty.",
)

duty_letters = sa.Table(
    "duty_letters",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("duty_id", Id, sa.ForeignKey("duties.id"), nullable=False, index=True),
    sa.Column("sent_at", Moment, nullable=False),
    sa.Column("made_by", Id, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="who sent it, reference, notes"),
    sa.Column("kind", sa.String(20), comment="who was written to in the recipient's place; null for the recipient"),
    sa.Column("place", sa.String(64), comment="and of which jurisdiction"),
    one_of("kind", RecipientKind),
    comment="Reports in writing that followed.",
)

duty_requests = sa.Table(
    "duty_requests",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("duty_id", Id, sa.ForeignKey("duties.id"), nullable=False, index=True),
    sa.Column("requested_at", Moment, nullable=False),
    sa.Column("made_by", Id, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False, comment="who asked, reference, notes"),
    comment="Reports in writing that agencies asked for.",
)
