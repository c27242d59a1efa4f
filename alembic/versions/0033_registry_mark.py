"""What the last change of the recipients left, so that whoever read them before need not read them again."""

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up: the next change leaves the first mark; until then everybody is read each time."""
    op.create_table(
        "registry_mark",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "mark",
            sa.String(length=40),
            nullable=False,
            comment="what the last change of the recipients left, and none before it",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_registry_mark"),
        sa.CheckConstraint("id = 1", name="ck_registry_mark_one_mark"),
    )


def downgrade() -> None:
    """Go down."""
    op.drop_table("registry_mark")
