"""Policy bundles with their lives, and what a decision needs to be made again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ACTIVE = sa.text("state = 'active'")
DUE = sa.text("due_at IS NOT NULL")


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "bundles",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False, comment="the complete texts, by file name"),
        sa.Column("files_digest", sa.String(length=64), nullable=False),
        sa.Column(
            "engine", sa.String(length=100), nullable=False, comment="with which versions its digest was computed"
        ),
        sa.Column("report", sa.JSON(), nullable=True, comment="what the gate said last"),
        sa.Column("proposed_by", sa.String(length=40), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.Column(
            "replaced",
            sa.String(length=64),
            nullable=True,
            comment="the bundle whose place it took: where a rollback goes",
        ),
        sa.CheckConstraint(
            "state IN ('draft', 'gated', 'approved', 'active', 'retired')", name=op.f("ck_bundles_state_known")
        ),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_bundles")),
        comment="Every policy bundle that was ever proposed; decisions name them by digest.",
    )
    op.create_index(
        "ix_bundles_active", "bundles", ["state"], unique=True, sqlite_where=ACTIVE, postgresql_where=ACTIVE
    )
    op.create_table(
        "bundle_approvals",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("approver", sa.String(length=40), nullable=False),
        sa.Column(
            "against", sa.String(length=64), nullable=False, comment="the bundle that was active when it was approved"
        ),
        sa.Column("newly_discloses", sa.Boolean(), nullable=False, comment="the approver accepted that more may leave"),
        sa.Column("approved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["bundles.digest"], name=op.f("fk_bundle_approvals_digest")),
        sa.PrimaryKeyConstraint("digest", "approver", name=op.f("pk_bundle_approvals")),
    )
    op.add_column(
        "records",
        sa.Column(
            "open",
            sa.Boolean(),
            nullable=False,
            server_default=sa.true(),
            comment="false for a case that the hotline closed",
        ),
    )
    op.add_column(
        "records",
        sa.Column(
            "due_at",
            sa.BigInteger(),
            nullable=True,
            comment="when it is to be decided again by itself; null when only a change can",
        ),
    )
    op.create_index("ix_records_due", "records", ["due_at"], sqlite_where=DUE, postgresql_where=DUE)
    op.add_column(
        "decisions",
        sa.Column("received_at", sa.BigInteger(), nullable=True, comment="what the deadline was counted from"),
    )
    op.add_column(
        "decisions",
        sa.Column(
            "duty_within",
            sa.Integer(),
            nullable=True,
            comment="seconds after receipt in which the duty table wants the report",
        ),
    )
    op.add_column(
        "decisions",
        sa.Column(
            "call",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="the law wants a telephone call, which a webhook is not",
        ),
    )
    op.add_column(
        "decisions",
        sa.Column("written_by", sa.BigInteger(), nullable=True, comment="when a report in writing is owed"),
    )
    # What was decided before today is decided again at the first start: its deadlines and validity are not known here.
    op.execute("UPDATE records SET due_at = accepted_at")


def downgrade() -> None:
    """Go down."""
    for column in ("written_by", "call", "duty_within", "received_at"):
        op.drop_column("decisions", column)
    op.drop_index("ix_records_due", "records")
    op.drop_column("records", "due_at")
    op.drop_column("records", "open")
    op.drop_table("bundle_approvals")
    op.drop_index("ix_bundles_active", "bundles")
    op.drop_table("bundles")
