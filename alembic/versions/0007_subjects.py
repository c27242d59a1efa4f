"""What a subject is owed: phases of consents, erasure, holds, suspensions of the accounting, notices to subjects."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

PHASES = "state IN ('given', 'pending', 'standing', 'narrowed', 'withdrawn', 'expired', 'lapsed', 'erased')"
KEPT = sa.text("erased_at IS NULL")
ENDED = sa.text("finished_at IS NOT NULL AND NOT noticed")
ENDED_SQLITE = sa.text("finished_at IS NOT NULL AND noticed = 0")
OPEN = sa.text("state IN ('due', 'deferred')")
DEFERRED = sa.text("state = 'deferred'")


def upgrade() -> None:
    """Go up."""
    _columns()
    _keeping()
    _telling()
    op.execute(
        "INSERT INTO appearances (record_id, person_id) SELECT DISTINCT record_id, person_id FROM record_persons"
    )
    op.execute(
        "INSERT INTO appearances (record_id, person_id) SELECT DISTINCT record_id, person_id FROM decisions"
        " WHERE NOT EXISTS (SELECT 1 FROM appearances WHERE appearances.record_id = decisions.record_id"
        " AND appearances.person_id = decisions.person_id)"
    )


def _columns() -> None:
    op.execute(f"ALTER TABLE consents ADD COLUMN state VARCHAR(10) CONSTRAINT ck_consents_state_known CHECK ({PHASES})")
    op.add_column(
        "data_keys",
        sa.Column(
            "destroyed_at",
            sa.BigInteger(),
            nullable=True,
            comment="its wrapped bytes are gone, and what it sealed with them",
        ),
    )
    op.add_column(
        "records",
        sa.Column(
            "erased_at",
            sa.BigInteger(),
            nullable=True,
            comment="when its content was destroyed; ids and decisions stay",
        ),
    )
    op.add_column(
        "records",
        sa.Column(
            "aged_from",
            sa.BigInteger(),
            nullable=True,
            comment="what its retention is counted from; moved on while it must be kept",
        ),
    )
    op.execute("UPDATE records SET aged_from = revised_at")
    op.create_index("ix_records_aged_from", "records", ["aged_from"], sqlite_where=KEPT, postgresql_where=KEPT)
    op.add_column(
        "deliveries",
        sa.Column(
            "noticed",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="what its persons are owed to be told of it is written down",
        ),
    )
    op.create_index(
        "ix_deliveries_noticed", "deliveries", ["finished_at"], sqlite_where=ENDED_SQLITE, postgresql_where=ENDED
    )


def _keeping() -> None:
    op.create_table(
        "appearances",
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("erased_at", sa.BigInteger(), nullable=True, comment="when the person was taken out of the record"),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_appearances_record_id")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_appearances_person_id")),
        sa.PrimaryKeyConstraint("record_id", "person_id", name=op.f("pk_appearances")),
        comment="Which persons any revision of a record ever named: where erasing them has to look.",
    )
    op.create_index(op.f("ix_appearances_person_id"), "appearances", ["person_id"])
    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="why, and who asked for it"),
        sa.Column("placed_by", sa.String(length=40), nullable=False),
        sa.Column("placed_at", sa.BigInteger(), nullable=False),
        sa.Column("released_by", sa.String(length=40), nullable=True),
        sa.Column("released_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_holds_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
        comment="What must be kept, whoever asks for its erasure: legal holds.",
    )
    op.create_index(op.f("ix_holds_record_id"), "holds", ["record_id"])
    op.create_table(
        "erasures",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("about", sa.String(length=40), nullable=False, comment="a person or a record"),
        sa.Column("requested_by", sa.String(length=40), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.String(length=40), nullable=True),
        sa.Column("erased_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_erasures")),
        comment="What one person asked to erase and another confirmed.",
    )
    op.create_index(op.f("ix_erasures_about"), "erasures", ["about"])


def _telling() -> None:
    op.create_table(
        "suspensions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("form", sa.String(length=8), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="who asked; under a data key of its own"),
        sa.Column("made_by", sa.String(length=40), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("form IN ('written', 'oral')", name=op.f("ck_suspensions_form_known")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_suspensions_person_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_suspensions_recipient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suspensions")),
        comment="Until when a subject's copy of the accounting leaves a recipient out: 45 CFR 164.528(a)(2).",
    )
    op.create_index(op.f("ix_suspensions_person_id"), "suspensions", ["person_id"])
    op.create_table(
        "subject_notices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("matter_id", sa.String(length=40), nullable=False),
        sa.Column("disclosure_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("rule", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("disclosed_at", sa.BigInteger(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=True, comment="when a deferred one is due again"),
        sa.Column("changed_by", sa.String(length=40), nullable=True),
        sa.Column("changed_at", sa.BigInteger(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="why it waits, or how it was given"),
        sa.CheckConstraint("rule IN ('required', 'when_safe')", name=op.f("ck_subject_notices_rule_known")),
        sa.CheckConstraint(
            "state IN ('due', 'deferred', 'given', 'moot')", name=op.f("ck_subject_notices_state_known")
        ),
        *(
            sa.ForeignKeyConstraint([f"{one}_id"], [f"{table}.id"], name=op.f(f"fk_subject_notices_{one}_id"))
            for one, table in (
                ("person", "persons"),
                ("record", "records"),
                ("matter", "matters"),
                ("disclosure", "disclosures"),
                ("recipient", "recipients"),
            )
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject_notices")),
        comment="Whom we owe the word that something was disclosed about them without their asking.",
    )
    op.create_index(op.f("ix_subject_notices_person_id"), "subject_notices", ["person_id"])
    op.create_index(op.f("ix_subject_notices_record_id"), "subject_notices", ["record_id"])
    op.create_index(
        "ix_subject_notices_one",
        "subject_notices",
        ["person_id", "matter_id"],
        unique=True,
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    )
    op.create_index(
        "ix_subject_notices_until", "subject_notices", ["until"], sqlite_where=DEFERRED, postgresql_where=DEFERRED
    )


def downgrade() -> None:
    """Go down: what was erased stays erased, and grants that waited are lost with their phase to nobody's gain."""
    for table in ("subject_notices", "suspensions", "erasures", "holds", "appearances"):
        op.drop_table(table)
    op.drop_index("ix_deliveries_noticed", "deliveries")
    op.drop_column("deliveries", "noticed")
    op.drop_index("ix_records_aged_from", "records")
    op.drop_column("records", "aged_from")
    op.drop_column("records", "erased_at")
    op.drop_column("data_keys", "destroyed_at")
    op.drop_column("consents", "state")
