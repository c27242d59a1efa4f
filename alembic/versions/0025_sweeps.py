"""What a changed agency or bundle may touch is looked through in slices, and found by index."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

REACHES = "reach IN ('pressing', 'open', 'toward', 'everything')"
UNSETTLED = "outcome IN ('HOLD_REVIEW', 'HOLD_ERROR', 'DUTY_BLOCKED')"
OWING = "phase IN ('open', 'overdue')"
CASES = "kind = 'case' AND erased_at IS NULL"


def upgrade() -> None:
    """Go up: whatever an agency or a bundle was withheld before is looked through at its next change."""
    op.create_table(
        "sweeps",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("reach", sa.String(length=10), nullable=False, comment="which records may be touched"),
        sa.Column(
            "recipient_id", sa.String(length=40), nullable=True, comment="the agency; null where a bundle changed"
        ),
        sa.Column("cause", sa.String(length=40), nullable=False, comment="why what it finds is decided again"),
        sa.Column(
            "after",
            sa.String(length=40),
            nullable=False,
            comment="the last record that was looked at; empty at the beginning",
        ),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_sweeps_recipient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sweeps")),
        sa.CheckConstraint(REACHES, name=op.f("ck_sweeps_reach_known")),
        comment="What a change of an agency or a bundle may touch and nobody has looked at yet; gone once all was.",
    )
    _index("ix_decisions_toward", "decisions", ["recipient_id", "record_id"], "current")
    _index("ix_decisions_unsettled", "decisions", ["outcome", "record_id"], "current", UNSETTLED)
    _index("ix_duties_owing", "duties", ["record_id"], "current", OWING)
    _index("ix_records_cases", "records", ["kind", "id"], "open", CASES)


def _index(name: str, table: str, columns: list[str], flag: str, *more: str) -> None:
    """A partial index; SQLite has no booleans, so there the flag is spelt as queries ask for it."""
    there, here = (sa.text(" AND ".join((one, *more))) for one in (flag, f"{flag} = 1"))
    op.create_index(name, table, columns, postgresql_where=there, sqlite_where=here)


def downgrade() -> None:
    """Go down."""
    op.drop_index("ix_records_cases", "records")
    op.drop_index("ix_duties_owing", "duties")
    op.drop_index("ix_decisions_unsettled", "decisions")
    op.drop_index("ix_decisions_toward", "decisions")
    op.drop_table("sweeps")
