"""Where each disclosure is, in place of whether it is live."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

KNOWN = "CHECK (state IN ('standing', 'replaced', 'withheld', 'recalled', 'erased'))"


def upgrade() -> None:
    """Go up."""
    # Both databases take a constraint with a new column; SQLite takes none later.
    op.execute(
        "ALTER TABLE disclosures ADD COLUMN state VARCHAR(10) DEFAULT 'standing' NOT NULL "
        f"CONSTRAINT ck_disclosures_state_known {KNOWN}"
    )
    # What ended without a recall was not told apart until now: replaced by something newer of its matter, or withheld.
    op.execute(
        "UPDATE disclosures SET state = CASE "
        "WHEN EXISTS (SELECT 1 FROM disclosures r WHERE r.recalls = disclosures.id) THEN 'recalled' "
        "WHEN EXISTS (SELECT 1 FROM disclosures n WHERE n.matter_id = disclosures.matter_id AND n.recalls IS NULL "
        "AND n.sequence > disclosures.sequence) THEN 'replaced' ELSE 'withheld' END "
        "WHERE NOT live AND recalls IS NULL"
    )
    op.drop_column("disclosures", "live")


def downgrade() -> None:
    """Go down."""
    op.add_column("disclosures", sa.Column("live", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.execute("UPDATE disclosures SET live = (state = 'standing')")
    op.drop_column("disclosures", "state")
