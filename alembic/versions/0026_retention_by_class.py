"""What is over is found by index, class by class: records by kind, consents nobody's record names, answers, texts."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

KEPT = sa.text("erased_at IS NULL")
ERASED = sa.text("erased_at IS NOT NULL")
SEALED = sa.text("length(sealed) > 0")
INDEXES = (
    ("ix_records_aged", "records", ["kind", "aged_from"], KEPT),
    ("ix_records_accounted", "records", ["aged_from"], ERASED),
    ("ix_consents_aged_from", "consents", ["aged_from"], sa.text("aged_from IS NOT NULL")),
    ("ix_answers_given_at", "answers", ["given_at"], SEALED),
    ("ix_attempts_snippets", "attempts", ["finished_at"], sa.text("sealed IS NOT NULL")),
    ("ix_holds_standing", "holds", ["record_id"], sa.text("released_at IS NULL")),
    ("ix_suspensions_until", "suspensions", ["until"], SEALED),
    (
        "ix_subject_notices_settled",
        "subject_notices",
        ["changed_at"],
        sa.text("sealed IS NOT NULL AND state IN ('given', 'moot')"),
    ),
    (
        "ix_accounts_labelled",
        "accounts",
        ["invited_until"],
        sa.text("length(sealed) > 0 AND state IN ('invited', 'ended')"),
    ),
)
NAMED_BY_NONE = """
UPDATE consents SET aged_from = made_at
WHERE (state IS NULL OR state <> 'erased') AND NOT EXISTS (
    SELECT 1 FROM appearances JOIN records ON records.id = appearances.record_id
    WHERE appearances.person_id = consents.person_id
    AND appearances.erased_at IS NULL AND records.erased_at IS NULL
)
"""
BEFORE = "what its retention is counted from; moved on while it must be kept"
AFTER = "what its retention counts from, or once it was erased that of its accounting; null when that is over"


def upgrade() -> None:
    """Go up: an accounting counts from the erasure where nobody noted what was done last."""
    op.add_column(
        "consents",
        sa.Column(
            "aged_from",
            sa.BigInteger(),
            nullable=True,
            comment="what its retention is counted from; null while a record names the person, or erased",
        ),
    )
    op.execute(NAMED_BY_NONE)
    op.execute("UPDATE records SET aged_from = erased_at WHERE erased_at IS NOT NULL")
    op.drop_index("ix_records_aged_from", "records")
    for name, table, columns, where in INDEXES:
        op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)
    _say(AFTER)


def downgrade() -> None:
    """Go down."""
    _say(BEFORE)
    for name, table, _, _ in reversed(INDEXES):
        op.drop_index(name, table)
    op.create_index("ix_records_aged_from", "records", ["aged_from"], sqlite_where=KEPT, postgresql_where=KEPT)
    op.drop_column("consents", "aged_from")


def _say(comment: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"COMMENT ON COLUMN records.aged_from IS '{comment}'")
