"""What one person asked another's word for before they do it: keys, exports, a roll-back."""

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

ACTS = "act IN ('key', 'export', 'roll-back')"
STATES = "state IN ('asked', 'said', 'used', 'withdrawn')"
UNENDED = sa.text("state IN ('asked', 'said')")
SAID = "state NOT IN ('said', 'used') OR said_by IS NOT NULL"
SUBJECT = "what it is done to: a recipient, a record, a bundle"


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "second_words",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("act", sa.String(length=12), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False, comment=SUBJECT),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False, comment="when it is over, said or not"),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("said_by", sa.String(length=40), nullable=True),
        sa.Column("said_at", sa.BigInteger(), nullable=True),
        sa.Column("ended_by", sa.String(length=40), nullable=True, comment="whoever used it or took it back"),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_second_words")),
        sa.CheckConstraint(ACTS, name=op.f("ck_second_words_act_known")),
        sa.CheckConstraint(STATES, name=op.f("ck_second_words_state_known")),
        sa.CheckConstraint("said_by IS NULL OR said_by <> asked_by", name=op.f("ck_second_words_another")),
        sa.CheckConstraint(SAID, name=op.f("ck_second_words_said_by_somebody")),
        comment="What one person asked to do and another confirms before they may: keys, exports, a roll-back.",
    )
    op.create_index(
        "ix_second_words_subject", "second_words", ["subject"], sqlite_where=UNENDED, postgresql_where=UNENDED
    )


def downgrade() -> None:
    """Go down."""
    op.drop_table("second_words")
