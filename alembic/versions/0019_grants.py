"""Grants that open one matter to an auditor for a time; every entry of the log can be found by its moment."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

STATES = "state IN ('asked', 'approved', 'open', 'revoked', 'expired')"
UNENDED = sa.text("state IN ('asked', 'approved', 'open')")
MADE = sa.text("kind IN ('decision', 'disclosure.made', 'recall.made')")
TWO_OTHERS = "opened_by IS NULL OR (opened_by <> approved_by AND opened_by <> asked_by AND approved_by <> asked_by)"


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "grants",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column(
            "auditor", sa.String(length=40), nullable=False, comment="the one caller whom it opens the matter to"
        ),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False, comment="when it is over, opened or not"),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("approved_by", sa.String(length=40), nullable=True),
        sa.Column("approved_at", sa.BigInteger(), nullable=True),
        sa.Column("opened_by", sa.String(length=40), nullable=True, comment="whoever approved second"),
        sa.Column("opened_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_by", sa.String(length=40), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="why it was asked for"),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_grants_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_grants")),
        sa.CheckConstraint(STATES, name=op.f("ck_grants_state_known")),
        sa.CheckConstraint(TWO_OTHERS, name=op.f("ck_grants_two_others")),
        sa.CheckConstraint("state <> 'open' OR opened_by IS NOT NULL", name=op.f("ck_grants_opened_by_somebody")),
        comment="What opens one record and everything that hangs from it to one auditor for a time.",
    )
    op.create_index(op.f("ix_grants_record_id"), "grants", ["record_id"])
    op.create_index("ix_grants_until", "grants", ["until"], sqlite_where=UNENDED, postgresql_where=UNENDED)
    op.drop_index("ix_log_entries_made", "log_entries")
    op.create_index(op.f("ix_log_entries_at"), "log_entries", ["at"])


def downgrade() -> None:
    """Go down."""
    op.drop_index(op.f("ix_log_entries_at"), "log_entries")
    op.create_index("ix_log_entries_made", "log_entries", ["at"], sqlite_where=MADE, postgresql_where=MADE)
    op.drop_table("grants")
