"""Questions of agencies and the hotline's answers; signed acknowledgements; when an acknowledgement is missed."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

LATE = sa.text("late_at IS NOT NULL")
AWAITED = sa.text("acknowledge_by IS NOT NULL")


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "questions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("acknowledgement_id", sa.String(length=40), nullable=False),
        sa.Column("disclosure_id", sa.String(length=40), nullable=False),
        sa.Column("matter_id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("urgency", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False, comment="until when the hotline should have answered"),
        sa.Column(
            "late_at",
            sa.BigInteger(),
            nullable=True,
            comment="when a human is told that it was not; null once told, or settled",
        ),
        sa.Column("settled_at", sa.BigInteger(), nullable=True),
        sa.Column("settled_by", sa.String(length=40), nullable=True, comment="who answered, or whose story closed it"),
        sa.Column("cause", sa.String(length=40), nullable=True, comment="why it is not open any more"),
        sa.Column("carried_by", sa.String(length=40), nullable=True, comment="the disclosure that carries the answer"),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="the answer as the hotline gave it"),
        sa.CheckConstraint("urgency IN ('imminent', 'standard')", name=op.f("ck_questions_urgency_known")),
        sa.CheckConstraint("state IN ('open', 'answered', 'closed')", name=op.f("ck_questions_state_known")),
        *(
            sa.ForeignKeyConstraint([f"{one}_id"], [f"{one}s.id"], name=op.f(f"fk_questions_{one}_id"))
            for one in ("acknowledgement", "disclosure", "matter", "record", "recipient")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questions")),
        sa.UniqueConstraint("acknowledgement_id", name=op.f("uq_questions_acknowledgement_id")),
        comment="What agencies asked about what they were sent.",
    )
    op.create_index(op.f("ix_questions_record_id"), "questions", ["record_id"])
    op.create_index("ix_questions_state", "questions", ["state", "id"])
    op.create_index("ix_questions_late", "questions", ["late_at"], sqlite_where=LATE, postgresql_where=LATE)
    _columns()


def _columns() -> None:
    op.add_column(
        "disclosures",
        sa.Column(
            "answers",
            sa.String(length=40),
            nullable=True,
            comment="the question that this one answers; null for every other",
        ),
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "acknowledge_by",
            sa.BigInteger(),
            nullable=True,
            comment="when a human is told that its agency said nothing; null where nobody waits for that",
        ),
    )
    op.create_index(
        "ix_deliveries_acknowledge_by",
        "deliveries",
        ["acknowledge_by"],
        sqlite_where=AWAITED,
        postgresql_where=AWAITED,
    )
    op.add_column(
        "acknowledgements",
        sa.Column("key", sa.String(length=43), nullable=True, comment="thumbprint of the key that signed it"),
    )
    op.add_column(
        "acknowledgements",
        sa.Column(
            "proof",
            sa.String(length=64),
            nullable=True,
            comment="keyed blind index of what was signed: no signature counts twice",
        ),
    )
    op.create_index("ix_acknowledgements_proof", "acknowledgements", ["proof"], unique=True)


def downgrade() -> None:
    """Go down: answers that were sent stay disclosures, and nobody is told of a missed acknowledgement any more."""
    op.drop_index("ix_acknowledgements_proof", "acknowledgements")
    op.drop_column("acknowledgements", "proof")
    op.drop_column("acknowledgements", "key")
    op.drop_index("ix_deliveries_acknowledge_by", "deliveries")
    op.drop_column("deliveries", "acknowledge_by")
    op.execute("UPDATE disclosures SET live = false WHERE answers IS NOT NULL")
    op.drop_column("disclosures", "answers")
    op.drop_table("questions")
