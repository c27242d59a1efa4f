"""Tables of duties."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

CURRENT = sa.text("current")
LOOK = sa.text("look_at IS NOT NULL")


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "duties",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=True, comment="null where no agency was found"),
        sa.Column("decision_id", sa.String(length=40), nullable=False, comment="what owes it now"),
        sa.Column("phase", sa.String(length=12), nullable=False),
        sa.Column("shares", sa.JSON(), nullable=False, comment="the parts that must be told; counties are blinded"),
        sa.Column("barred", sa.Boolean(), nullable=False, comment="the agency is accused: nothing it says is evidence"),
        sa.Column("blocked", sa.Boolean(), nullable=False, comment="nothing is sent for it"),
        sa.Column("needs_call", sa.Boolean(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False, comment="what its clocks run from"),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column("written_by", sa.BigInteger(), nullable=True, comment="when a report in writing is owed"),
        sa.Column(
            "written_if_called", sa.BigInteger(), nullable=True, comment="when one would be, had it been told by a call"
        ),
        sa.Column("written_id", sa.String(length=40), nullable=True, comment="the evidence of the report in writing"),
        sa.Column("discharged_by", sa.String(length=12), nullable=True),
        sa.Column(
            "evidence_id",
            sa.String(length=40),
            nullable=True,
            comment="the acknowledgement or call that discharged it",
        ),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("cause", sa.String(length=40), nullable=True, comment="why it was lifted"),
        sa.Column("current", sa.Boolean(), nullable=False, comment="false once a later duty took its place"),
        sa.Column(
            "look_at", sa.BigInteger(), nullable=True, comment="when somebody is to be told of it; null when nobody is"
        ),
        sa.CheckConstraint("phase IN ('open', 'overdue', 'discharged', 'lifted')", name=op.f("ck_duties_phase_known")),
        sa.CheckConstraint(
            "discharged_by IN ('acknowledged', 'called', 'elsewhere')", name=op.f("ck_duties_discharged_by_known")
        ),
        sa.CheckConstraint(
            "(phase = 'discharged') = (discharged_by IS NOT NULL AND evidence_id IS NOT NULL AND ended_at IS NOT NULL)",
            name=op.f("ck_duties_discharged_by_evidence"),
        ),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_duties_record_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_duties_person_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_duties_recipient_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_duties_decision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duties")),
        comment="What must be told, to whom, by when, and what showed that it was.",
    )
    op.create_index(op.f("ix_duties_record_id"), "duties", ["record_id"])
    op.create_index(
        "ix_duties_one",
        "duties",
        ["record_id", "person_id", "recipient_id"],
        unique=True,
        sqlite_where=CURRENT,
        postgresql_where=CURRENT,
    )
    op.create_index("ix_duties_look", "duties", ["look_at"], sqlite_where=LOOK, postgresql_where=LOOK)
    op.create_table(
        "duty_calls",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("duty_id", sa.String(length=40), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column(
            "kind",
            sa.String(length=20),
            nullable=True,
            comment="who was called in the recipient's place; null for the recipient",
        ),
        sa.Column("place", sa.String(length=64), nullable=True, comment="and of which jurisdiction"),
        sa.Column("called_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="names, number, reference, notes"),
        sa.CheckConstraint("outcome IN ('reached', 'no_answer')", name=op.f("ck_duty_calls_outcome_known")),
        sa.CheckConstraint(
            "kind IN ('law_enforcement', 'child_protection', 'service_provider', 'clearinghouse', 'federal_authority')",
            name=op.f("ck_duty_calls_kind_known"),
        ),
        sa.ForeignKeyConstraint(["duty_id"], ["duties.id"], name=op.f("fk_duty_calls_duty_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_calls")),
        comment="Telephone calls that people made for a duty.",
    )
    op.create_index(op.f("ix_duty_calls_duty_id"), "duty_calls", ["duty_id"])
    op.create_table(
        "duty_letters",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("duty_id", sa.String(length=40), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="who sent it, reference, notes"),
        sa.ForeignKeyConstraint(["duty_id"], ["duties.id"], name=op.f("fk_duty_letters_duty_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_letters")),
        comment="Reports in writing that followed.",
    )
    op.create_index(op.f("ix_duty_letters_duty_id"), "duty_letters", ["duty_id"])
    # What was decided before today owes its duties from the first start on: it is decided again then.
    op.execute(
        "UPDATE records SET due_at = accepted_at WHERE id IN (SELECT record_id FROM decisions "
        "WHERE current AND outcome IN ('REPORT', 'DUTY_BLOCKED'))"
    )


def downgrade() -> None:
    """Go down."""
    op.drop_index(op.f("ix_duty_letters_duty_id"), "duty_letters")
    op.drop_table("duty_letters")
    op.drop_index(op.f("ix_duty_calls_duty_id"), "duty_calls")
    op.drop_table("duty_calls")
    for index in ("ix_duties_look", "ix_duties_one", op.f("ix_duties_record_id")):
        op.drop_index(index, "duties")
    op.drop_table("duties")
