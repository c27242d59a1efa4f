"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    op.create_table(
        "answers",
        sa.Column("caller", sa.String(length=40), nullable=False),
        sa.Column("route", sa.String(length=80), nullable=False),
        sa.Column("key_digest", sa.String(length=64), nullable=False),
        sa.Column("request_digest", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=40), nullable=False, comment="whose data key seals the answer"),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("given_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "route", "key_digest", name=op.f("pk_answers")),
        comment="Answers already given, by Idempotency-Key.",
    )
    op.create_table(
        "callers",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column(
            "recipient_id",
            sa.String(length=40),
            nullable=True,
            comment="the agency it belongs to; null for the hotline's own",
        ),
        sa.Column("token_digest", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_callers")),
        sa.UniqueConstraint("token_digest", name=op.f("uq_callers_token_digest")),
    )
    op.create_table(
        "data_keys",
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("kek_id", sa.String(length=40), nullable=False),
        sa.Column("wrapped", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("owner", name=op.f("pk_data_keys")),
        comment="One wrapped data key per record, person, recipient or remembered answer; destroying the row erases them.",
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoints")),
    )
    op.create_table(
        "log_entries",
        sa.Column("index", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("index", name=op.f("pk_log_entries")),
    )
    op.create_index("ix_log_entries_kind", "log_entries", ["kind", "index"], unique=False)
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer(), nullable=False, comment="-1 holds entry bundles"),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("tile", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_log_tiles")),
    )
    op.create_table(
        "notices",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False, comment="the decision or delivery it is about"),
        sa.Column("record_id", sa.String(length=40), nullable=True),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("raised_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notices")),
        comment="What a human must look at.",
    )
    op.create_table(
        "outbox",
        sa.Column("serial", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("pk_outbox")),
        comment="Audit entries that are committed and not yet in the tree.",
    )
    op.create_table(
        "persons",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("external", sa.String(length=64), nullable=False, comment="keyed blind index of source and ref"),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_persons")),
        sa.UniqueConstraint("external", name=op.f("uq_persons_external")),
    )
    op.create_table(
        "recipients",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.Column("registered_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('law_enforcement', 'child_protection', 'service_provider', 'clearinghouse', 'federal_authority')",
            name=op.f("ck_recipients_kind_known"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recipients")),
    )
    op.create_table(
        "records",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column(
            "external", sa.String(length=64), nullable=False, comment="keyed blind index of source and external id"
        ),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False, comment="grows with every change that may change a decision"),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("accepted_at", sa.BigInteger(), nullable=False),
        sa.Column("revised_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('tip', 'case')", name=op.f("ck_records_kind_known")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
        sa.UniqueConstraint("kind", "external", name=op.f("uq_records_kind_external")),
    )
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_secrets")),
        comment="The service's own secrets: the log's signing seed, the blind-index key.",
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_consents_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    op.create_index(op.f("ix_consents_person_id"), "consents", ["person_id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=True),
        sa.Column("current", sa.Boolean(), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("policies", sa.JSON(), nullable=False),
        sa.Column("review", sa.Boolean(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=True),
        sa.Column("urgency", sa.String(length=10), nullable=False),
        sa.Column("notice", sa.String(length=20), nullable=False),
        sa.Column("errors", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=True),
        sa.Column("salt", sa.String(length=32), nullable=False, comment="of the facts' commitment in the log"),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("cause", sa.String(length=40), nullable=False),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("decided_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "outcome IN ('REPORT', 'DISCLOSE', 'HOLD_REVIEW', 'DUTY_BLOCKED', 'WITHHOLD', 'HOLD_ERROR')",
            name=op.f("ck_decisions_outcome_known"),
        ),
        sa.CheckConstraint("urgency IN ('imminent', 'standard')", name=op.f("ck_decisions_urgency_known")),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_decisions_person_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_decisions_recipient_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_decisions_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index("ix_decisions_current", "decisions", ["record_id", "current"], unique=False)
    op.create_index("ix_decisions_recipient", "decisions", ["recipient_id", "id"], unique=False)
    op.create_table(
        "matters",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="the last one given out"),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_matters_recipient_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_matters_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matters")),
        sa.UniqueConstraint("record_id", "recipient_id", name=op.f("uq_matters_record_id_recipient_id")),
        comment="What one recipient is told about one record: disclosures and recalls, in sequence.",
    )
    op.create_table(
        "record_persons",
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, comment="index among the current revision's persons"),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_record_persons_person_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_record_persons_record_id")),
        sa.PrimaryKeyConstraint("record_id", "position", name=op.f("pk_record_persons")),
    )
    op.create_index(op.f("ix_record_persons_person_id"), "record_persons", ["person_id"], unique=False)
    op.create_table(
        "revisions",
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_revisions_record_id")),
        sa.PrimaryKeyConstraint("record_id", "number", name=op.f("pk_revisions")),
    )
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("scheme", sa.String(length=4), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_signing_keys_recipient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_keys")),
    )
    op.create_index(op.f("ix_signing_keys_recipient_id"), "signing_keys", ["recipient_id"], unique=False)
    op.create_table(
        "disclosures",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("matter_id", sa.String(length=40), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column(
            "recalls",
            sa.String(length=40),
            nullable=True,
            comment="the disclosure that this one recalls; null for a disclosure",
        ),
        sa.Column("live", sa.Boolean(), nullable=False, comment="false once superseded, cancelled or recalled"),
        sa.Column("categories", sa.JSON(), nullable=False),
        sa.Column("decisions", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("content_digest", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["matter_id"], ["matters.id"], name=op.f("fk_disclosures_matter_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_disclosures_recipient_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_disclosures_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_disclosures")),
        sa.UniqueConstraint("matter_id", "sequence", name=op.f("uq_disclosures_matter_id_sequence")),
    )
    op.create_index("ix_disclosures_recipient", "disclosures", ["recipient_id", "id"], unique=False)
    op.create_index(op.f("ix_disclosures_record_id"), "disclosures", ["record_id"], unique=False)
    op.create_table(
        "acknowledgements",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("disclosure_id", sa.String(length=40), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=False, comment="the agency's own case number, reason or question"
        ),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "status IN ('accepted', 'rejected', 'needs_information', 'closed')",
            name=op.f("ck_acknowledgements_status_known"),
        ),
        sa.ForeignKeyConstraint(["disclosure_id"], ["disclosures.id"], name=op.f("fk_acknowledgements_disclosure_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_acknowledgements")),
    )
    op.create_index(op.f("ix_acknowledgements_disclosure_id"), "acknowledgements", ["disclosure_id"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=40), nullable=False, comment="also the webhook-id"),
        sa.Column("disclosure_id", sa.String(length=40), nullable=False),
        sa.Column("matter_id", sa.String(length=40), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("urgency", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger(), nullable=False, comment="when it is late"),
        sa.Column(
            "warn_at",
            sa.BigInteger(),
            nullable=True,
            comment="when a human is told that it may be late; null once told",
        ),
        sa.Column("deliver_by", sa.BigInteger(), nullable=False, comment="when trying ends"),
        sa.Column(
            "basis", sa.String(length=80), nullable=False, comment="what it was decided under: epoch, registry, bundle"
        ),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("lease", sa.String(length=40), nullable=True, comment="fencing token of the claim"),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'claimed', 'retrying', 'delivered', 'cancelled', 'exhausted', 'refused')",
            name=op.f("ck_deliveries_state_known"),
        ),
        sa.CheckConstraint("urgency IN ('imminent', 'standard')", name=op.f("ck_deliveries_urgency_known")),
        sa.ForeignKeyConstraint(["disclosure_id"], ["disclosures.id"], name=op.f("fk_deliveries_disclosure_id")),
        sa.ForeignKeyConstraint(["matter_id"], ["matters.id"], name=op.f("fk_deliveries_matter_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_deliveries_recipient_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_deliveries_record_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("disclosure_id", name=op.f("uq_deliveries_disclosure_id")),
    )
    op.create_index(
        "ix_deliveries_claimed",
        "deliveries",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease IS NOT NULL"),
        postgresql_where=sa.text("lease IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["next_at"],
        unique=False,
        sqlite_where=sa.text("state IN ('queued', 'retrying')"),
        postgresql_where=sa.text("state IN ('queued', 'retrying')"),
    )
    op.create_index("ix_deliveries_matter", "deliveries", ["matter_id", "sequence"], unique=False)
    op.create_index(op.f("ix_deliveries_record_id"), "deliveries", ["record_id"], unique=False)
    op.create_index(
        "ix_deliveries_warn",
        "deliveries",
        ["warn_at"],
        unique=False,
        sqlite_where=sa.text("warn_at IS NOT NULL"),
        postgresql_where=sa.text("warn_at IS NOT NULL"),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("delivery_id", sa.String(length=40), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.String(length=24), nullable=True),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="the first bytes of the answer"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_attempts_delivery_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
        sa.UniqueConstraint("delivery_id", "number", name=op.f("uq_attempts_delivery_id_number")),
    )


def downgrade() -> None:
    """Go down again."""
    op.drop_table("attempts")
    op.drop_table("deliveries")
    op.drop_table("acknowledgements")
    op.drop_table("disclosures")
    op.drop_table("signing_keys")
    op.drop_table("revisions")
    op.drop_table("record_persons")
    op.drop_table("matters")
    op.drop_table("decisions")
    op.drop_table("consents")
    op.drop_table("secrets")
    op.drop_table("records")
    op.drop_table("recipients")
    op.drop_table("persons")
    op.drop_table("outbox")
    op.drop_table("notices")
    op.drop_table("log_tiles")
    op.drop_table("log_entries")
    op.drop_table("log_checkpoints")
    op.drop_table("data_keys")
    op.drop_table("callers")
    op.drop_table("answers")
