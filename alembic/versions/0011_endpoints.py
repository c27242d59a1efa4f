"""The life of an endpoint. What is registered already is taken as verified, and asked in ninety days."""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

STATES = "state IN ('unverified', 'verified', 'failing')"
CHANGES = "state IN ('proposed', 'confirmed', 'withdrawn', 'lapsed')"
FORMS = "form IN ('challenge', 'changing', 'test')"
PROPOSED = sa.text("state = 'proposed'")
WAITS = sa.text("finished_at IS NULL")


def upgrade() -> None:
    """Go up."""
    _endpoints()
    _changes()
    _messages()
    op.create_table(
        "client_keys",
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column(
            "certificate",
            sa.String(length=64),
            nullable=False,
            comment="SHA-256 of the certificate's PEM text, in hex",
        ),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_client_keys_recipient_id")),
        sa.PrimaryKeyConstraint("recipient_id", "certificate", name=op.f("pk_client_keys")),
        comment="Private keys of the certificates that are shown at endpoints.",
    )
    op.create_table(
        "openings",
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_openings_recipient_id")),
        sa.PrimaryKeyConstraint("recipient_id", "at", name=op.f("pk_openings")),
        comment="When the breaker of each recipient opened.",
    )
    _take_as_verified()


def downgrade() -> None:
    """Go down."""
    for table in ("openings", "client_keys", "endpoint_messages", "endpoint_changes", "endpoints"):
        op.drop_table(table)


def _take_as_verified() -> None:
    now = datetime.now(UTC)
    about = {"now": _micros(now), "check": _micros(now + timedelta(days=90))}
    op.get_bind().execute(
        sa.text(
            "INSERT INTO endpoints (recipient_id, state, since, check_at, looked_at, look_at)"
            " SELECT id, 'verified', :now, CASE WHEN delivery_mode = 'pull' THEN NULL ELSE :check END, 0, :now"
            " FROM recipients"
        ).bindparams(sa.bindparam("now", type_=sa.BigInteger()), sa.bindparam("check", type_=sa.BigInteger())),
        about,
    )


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _endpoints() -> None:
    op.create_table(
        "endpoints",
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False, comment="when it came into this state"),
        sa.Column("verified_at", sa.BigInteger(), nullable=True, comment="when it last proved itself"),
        sa.Column(
            "check_at",
            sa.BigInteger(),
            nullable=True,
            comment="when it is asked next; null while it is, or where nobody asks",
        ),
        sa.Column("looked_at", sa.BigInteger(), nullable=False, comment="what ends was told of up to this moment"),
        sa.Column("look_at", sa.BigInteger(), nullable=True, comment="when the next end is to be told of"),
        sa.CheckConstraint(STATES, name=op.f("ck_endpoints_state_known")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_endpoints_recipient_id")),
        sa.PrimaryKeyConstraint("recipient_id", name=op.f("pk_endpoints")),
        comment="What is known of each recipient's endpoint.",
    )
    for column in ("check_at", "look_at"):
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(f"ix_endpoints_{column}", "endpoints", [column], sqlite_where=where, postgresql_where=where)


def _changes() -> None:
    op.create_table(
        "endpoint_changes",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="of the recipient that it was proposed against"),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("wanted", sa.JSON(), nullable=False, comment="the recipient as it would be"),
        sa.Column("changes", sa.JSON(), nullable=False, comment="the names of what differs"),
        sa.Column("proposed_by", sa.String(length=40), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("confirm_until", sa.BigInteger(), nullable=False),
        sa.Column("ended_by", sa.String(length=40), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(CHANGES, name=op.f("ck_endpoint_changes_state_known")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_endpoint_changes_recipient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_changes")),
        comment="Changes of endpoints: proposed by one person, confirmed by another.",
    )
    op.create_index(
        "ix_endpoint_changes_proposed",
        "endpoint_changes",
        ["recipient_id"],
        unique=True,
        sqlite_where=PROPOSED,
        postgresql_where=PROPOSED,
    )
    op.create_index("ix_endpoint_changes_recipient", "endpoint_changes", ["recipient_id", "id"])


def _messages() -> None:
    op.create_table(
        "endpoint_messages",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("form", sa.String(length=10), nullable=False),
        sa.Column("change_id", sa.String(length=40), nullable=True),
        sa.Column("target", sa.JSON(), nullable=True, comment="the recipient as it was, where the message is for that"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("result", sa.String(length=20), nullable=True, comment="what came of the last attempt"),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.CheckConstraint(FORMS, name=op.f("ck_endpoint_messages_form_known")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_endpoint_messages_recipient_id")),
        sa.ForeignKeyConstraint(["change_id"], ["endpoint_changes.id"], name=op.f("fk_endpoint_messages_change_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_endpoint_messages")),
        comment="What the router says to endpoints beside disclosures: challenges, changes, tests.",
    )
    op.create_index(
        "ix_endpoint_messages_next_at",
        "endpoint_messages",
        ["next_at"],
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )
    op.create_index("ix_endpoint_messages_recipient_id", "endpoint_messages", ["recipient_id", "id"])
