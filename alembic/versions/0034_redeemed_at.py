"""When somebody first had their account: whose the house is goes by that, not by who was invited first."""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up: of accounts from before it stays unknown."""
    op.add_column(
        "accounts",
        sa.Column(
            "redeemed_at",
            sa.BigInteger(),
            nullable=True,
            comment="when its holder first had it; null before, and if nobody wrote it down",
        ),
    )


def downgrade() -> None:
    """Go down."""
    with op.batch_alter_table("accounts") as table:
        table.drop_column("redeemed_at")
