"""Reports in writing that an agency asks for."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    op.add_column(
        "duties",
        sa.Column(
            "written_requested",
            sa.BigInteger(),
            nullable=True,
            comment="when the agency asked for one",
        ),
    )
    op.create_table(
        "duty_requests",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("duty_id", sa.String(length=40), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="who asked, reference, notes"),
        sa.ForeignKeyConstraint(["duty_id"], ["duties.id"], name=op.f("fk_duty_requests_duty_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_duty_requests")),
        comment="Reports in writing that agencies asked for.",
    )
    op.create_index(op.f("ix_duty_requests_duty_id"), "duty_requests", ["duty_id"])


def downgrade() -> None:
    """Go down."""
    op.drop_index(op.f("ix_duty_requests_duty_id"), "duty_requests")
    op.drop_table("duty_requests")
    op.drop_column("duties", "written_requested")
