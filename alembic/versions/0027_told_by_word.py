"""Notices owed for what was told by a call or a letter, when they are given and asked for again; whom a letter went to."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

DUE = sa.text("state = 'due'")
REMIND_AFTER = 3 * 24 * 60 * 60 * 1_000_000
KINDS = "'law_enforcement', 'child_protection', 'service_provider', 'clearinghouse', 'federal_authority'"
WHOM = f"""
ALTER TABLE duty_letters ADD COLUMN kind VARCHAR(20)
CONSTRAINT ck_duty_letters_kind_known CHECK (kind IN ({KINDS}))
"""
COMMENT = (
    "COMMENT ON COLUMN duty_letters.kind IS 'who was written to in the recipient''s place; null for the recipient'"
)
BEFORE = ("matter_id", "disclosure_id", "recipient_id")
ONE_WAY = "(disclosure_id IS NULL) <> (evidence_id IS NULL)"
ONE_WAY_NAME = "ck_subject_notices_told_one_way"


def upgrade() -> None:
    """Go up: what is due already is asked for again three days after it became so."""
    op.execute(WHOM)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(COMMENT)
    op.add_column(
        "duty_letters", sa.Column("place", sa.String(length=64), nullable=True, comment="and of which jurisdiction")
    )
    op.add_column(
        "subject_notices",
        sa.Column("evidence_id", sa.String(length=40), nullable=True, comment="the call or letter that told it"),
    )
    for name, comment in (
        ("remind_at", "when somebody is told again that it is due"),
        ("given_at", "when the person was told"),
    ):
        op.add_column("subject_notices", sa.Column(name, sa.BigInteger(), nullable=True, comment=comment))
    op.execute(f"UPDATE subject_notices SET remind_at = made_at + {REMIND_AFTER} WHERE state = 'due'")  # noqa: S608 - our own number
    with op.batch_alter_table("subject_notices") as notices:
        for name in BEFORE:
            notices.alter_column(name, existing_type=sa.String(length=40), nullable=True)
        notices.create_check_constraint(op.f(ONE_WAY_NAME), ONE_WAY)
    op.create_index(
        "ix_subject_notices_remind", "subject_notices", ["remind_at"], sqlite_where=DUE, postgresql_where=DUE
    )


def downgrade() -> None:
    """Go down: notices of what was told by word are lost, because the table from before cannot say so."""
    op.drop_index("ix_subject_notices_remind", "subject_notices")
    op.execute("DELETE FROM subject_notices WHERE matter_id IS NULL OR disclosure_id IS NULL OR recipient_id IS NULL")
    with op.batch_alter_table("subject_notices") as notices:
        notices.drop_constraint(op.f(ONE_WAY_NAME), type_="check")
        for name in BEFORE:
            notices.alter_column(name, existing_type=sa.String(length=40), nullable=False)
        for name in ("evidence_id", "remind_at", "given_at"):
            notices.drop_column(name)
    op.drop_column("duty_letters", "place")
    op.drop_column("duty_letters", "kind")
