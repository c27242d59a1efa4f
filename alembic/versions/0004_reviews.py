"""Tables of the review queue."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

WARN = sa.text("warn_at IS NOT NULL")


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("decision_id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column(
            "urgency", sa.String(length=10), nullable=False, comment="imminent comes first, whatever the deadlines"
        ),
        sa.Column(
            "about",
            sa.String(length=64),
            nullable=False,
            comment="digest of the revision, facts and bundle it is about",
        ),
        sa.Column("deadline", sa.BigInteger(), nullable=False),
        sa.Column(
            "warn_at",
            sa.BigInteger(),
            nullable=True,
            comment="when a human is told next that it waits; null once nobody need be",
        ),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("claimed_by", sa.String(length=40), nullable=True),
        sa.Column("claimed_until", sa.BigInteger(), nullable=True),
        sa.Column("answer", sa.String(length=10), nullable=True),
        sa.Column("categories", sa.JSON(), nullable=False, comment="what was released"),
        sa.Column("decided_by", sa.String(length=40), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_by", sa.String(length=40), nullable=True),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "sealed",
            sa.LargeBinary(),
            nullable=True,
            comment="the reviewer's rationale, and the salt of its commitment in the log",
        ),
        sa.CheckConstraint(
            "state IN ('open', 'claimed', 'proposed', 'decided', 'superseded')", name=op.f("ck_reviews_state_known")
        ),
        sa.CheckConstraint("urgency IN ('imminent', 'standard')", name=op.f("ck_reviews_urgency_known")),
        sa.CheckConstraint(
            "answer IN ('release', 'withhold', 'establish', 'retry')", name=op.f("ck_reviews_answer_known")
        ),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_reviews_decision_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_reviews_record_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_reviews_person_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_reviews_recipient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("decision_id", name=op.f("uq_reviews_decision_id")),
        comment="Held decisions that a human looks at, and what was answered.",
    )
    op.create_index("ix_reviews_record", "reviews", ["record_id", "state"])
    op.create_index("ix_reviews_queue", "reviews", ["state", "urgency", "deadline", "id"])
    op.create_index("ix_reviews_warn", "reviews", ["warn_at"], sqlite_where=WARN, postgresql_where=WARN)
    op.create_table(
        "established",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=True, comment="of a duty; null for every other fact"),
        sa.Column("fact", sa.String(length=12), nullable=False),
        sa.Column("value", sa.String(length=16), nullable=False),
        sa.Column("review_id", sa.String(length=40), nullable=False, comment="whose rationale it has"),
        sa.Column("established_by", sa.String(length=40), nullable=False),
        sa.Column("established_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("fact IN ('age', 'duty', 'perceived')", name=op.f("ck_established_fact_known")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_established_record_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_established_person_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_established_recipient_id")),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"], name=op.f("fk_established_review_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_established")),
        comment="Facts that reviewers established where the record leaves them unknown.",
    )
    op.create_index(op.f("ix_established_record_id"), "established", ["record_id"])
    # What is held already joins the queue when its record is decided again: at the first start.
    held = sa.text(
        "UPDATE records SET due_at = accepted_at WHERE id IN (SELECT record_id FROM decisions WHERE decisions.current "
        "AND (outcome IN ('HOLD_REVIEW', 'HOLD_ERROR') OR (outcome = 'REPORT' AND review)))"
    )
    op.execute(held)


def downgrade() -> None:
    """Go down."""
    op.drop_index(op.f("ix_established_record_id"), "established")
    op.drop_table("established")
    op.drop_index("ix_reviews_warn", "reviews")
    op.drop_index("ix_reviews_queue", "reviews")
    op.drop_index("ix_reviews_record", "reviews")
    op.drop_table("reviews")
