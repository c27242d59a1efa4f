"""In whose hands a credential is, so that two credentials of one person are one person's."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up: nobody knows in whose hands the credentials from before are."""
    op.add_column(
        "callers",
        sa.Column(
            "holder_id",
            sa.String(length=40),
            nullable=True,
            comment="the account of the person in whose hands it is; null for nobody in particular",
        ),
    )


def downgrade() -> None:
    """Go down. In place: making the table anew would drop what keys and tokens point to."""
    op.drop_column("callers", "holder_id")
