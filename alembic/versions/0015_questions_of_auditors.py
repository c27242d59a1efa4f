"""Questions of auditors: indexes for their filters, and what was published of each quarter."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0013"
branch_labels = None
depends_on = None

MADE = sa.text("kind IN ('decision', 'disclosure.made', 'recall.made')")
LATE = sa.text("state = 'delivered' AND finished_at > deadline")
UNMET = sa.text("state NOT IN ('delivered', 'cancelled')")


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "quarters",
        sa.Column("quarter", sa.String(length=7), nullable=False, comment="such as 2026-Q1, of UTC"),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("tables", sa.JSON(), nullable=False, comment="counts with the withheld cells already left out"),
        sa.Column("frozen_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("quarter", name=op.f("pk_quarters")),
        comment="What was published of each quarter: never counted anew, so that two answers never differ.",
    )
    op.create_index("ix_decisions_outcome", "decisions", ["outcome", "id"])
    op.create_index("ix_decisions_bundle", "decisions", ["bundle", "id"])
    op.create_index("ix_log_entries_made", "log_entries", ["at"], sqlite_where=MADE, postgresql_where=MADE)
    op.create_index("ix_deliveries_late", "deliveries", ["disclosure_id"], sqlite_where=LATE, postgresql_where=LATE)
    op.create_index("ix_deliveries_unmet", "deliveries", ["disclosure_id"], sqlite_where=UNMET, postgresql_where=UNMET)


def downgrade() -> None:
    """Go down."""
    op.drop_index("ix_deliveries_unmet", "deliveries")
    op.drop_index("ix_deliveries_late", "deliveries")
    op.drop_index("ix_log_entries_made", "log_entries")
    op.drop_index("ix_decisions_bundle", "decisions")
    op.drop_index("ix_decisions_outcome", "decisions")
    op.drop_table("quarters")
