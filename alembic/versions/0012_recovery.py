"""Tries that people asked for: of one delivery, and replays of many."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

REASONS = "reason IN ('endpoint_mended', 'endpoint_moved', 'recipient_lost_it', 'deadline_near', 'other')"
BECAME = "became IN ('waiting', 'due', 'sent', 'withheld', 'passed_over', 'failed')"
REPLAY_STATES = "state IN ('proposed', 'running', 'done', 'stopped', 'lapsed')"
DELIVERY_STATES = (
    "found IN ('queued', 'claimed', 'retrying', 'delivered', 'cancelled', 'exhausted', 'refused', 'announced')"
)
UNFINISHED = sa.text("state IN ('proposed', 'running')")
WAITS = sa.text("became = 'waiting'")
DEAD = sa.text("state IN ('exhausted', 'refused')")


def upgrade() -> None:
    """Go up."""
    _retries()
    _replays()
    op.create_index("ix_deliveries_recipient", "deliveries", ["recipient_id", "id"])
    op.create_index("ix_deliveries_dead", "deliveries", ["id"], sqlite_where=DEAD, postgresql_where=DEAD)


def _retries() -> None:
    op.create_table(
        "retries",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("delivery_id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("became", sa.String(length=12), nullable=False),
        sa.Column("made_id", sa.String(length=40), nullable=True, comment="the new delivery, where one was made"),
        sa.Column("asked_by", sa.String(length=40), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="what the person wrote beside the reason"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_retries_delivery_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_retries_record_id")),
        sa.ForeignKeyConstraint(["made_id"], ["deliveries.id"], name=op.f("fk_retries_made_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retries")),
        sa.CheckConstraint(REASONS, name=op.f("ck_retries_reason_known")),
        sa.CheckConstraint(BECAME, name=op.f("ck_retries_became_known")),
        comment="Deliveries that one person asked to be tried again, and what became of it.",
    )
    op.create_index(op.f("ix_retries_delivery_id"), "retries", ["delivery_id"])


def _replays() -> None:
    op.create_table(
        "replays",
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False, comment="deliveries made before this moment"),
        sa.Column("states", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(length=20), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("proposed_by", sa.String(length=40), nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.Column("confirmed_by", sa.String(length=40), nullable=True),
        sa.Column("confirmed_at", sa.BigInteger(), nullable=True),
        sa.Column("stopped_by", sa.String(length=40), nullable=True),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_replays_recipient_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replays")),
        sa.CheckConstraint(REASONS, name=op.f("ck_replays_reason_known")),
        sa.CheckConstraint(REPLAY_STATES, name=op.f("ck_replays_state_known")),
        comment="Replays of one agency's deliveries: proposed by one person, confirmed by another.",
    )
    op.create_index(
        "ix_replays_unfinished",
        "replays",
        ["recipient_id"],
        unique=True,
        sqlite_where=UNFINISHED,
        postgresql_where=UNFINISHED,
    )
    op.create_table(
        "replay_items",
        sa.Column("replay_id", sa.String(length=40), nullable=False),
        sa.Column("delivery_id", sa.String(length=40), nullable=False),
        sa.Column("record_id", sa.String(length=40), nullable=False),
        sa.Column(
            "found",
            sa.String(length=12),
            nullable=False,
            comment="the delivery's state when the replay was proposed",
        ),
        sa.Column("became", sa.String(length=12), nullable=False),
        sa.Column("made_id", sa.String(length=40), nullable=True, comment="the new delivery, where one was made"),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["replay_id"], ["replays.id"], name=op.f("fk_replay_items_replay_id")),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_replay_items_delivery_id")),
        sa.ForeignKeyConstraint(["record_id"], ["records.id"], name=op.f("fk_replay_items_record_id")),
        sa.ForeignKeyConstraint(["made_id"], ["deliveries.id"], name=op.f("fk_replay_items_made_id")),
        sa.PrimaryKeyConstraint("replay_id", "delivery_id", name=op.f("pk_replay_items")),
        sa.CheckConstraint(DELIVERY_STATES, name=op.f("ck_replay_items_found_known")),
        sa.CheckConstraint(BECAME, name=op.f("ck_replay_items_became_known")),
        comment="What a replay is about: fixed when it is proposed, so that what is confirmed is what was counted.",
    )
    op.create_index(
        "ix_replay_items_waiting",
        "replay_items",
        ["replay_id", "delivery_id"],
        sqlite_where=WAITS,
        postgresql_where=WAITS,
    )


def downgrade() -> None:
    """Go down."""
    op.drop_index("ix_deliveries_dead", table_name="deliveries")
    op.drop_index("ix_deliveries_recipient", table_name="deliveries")
    op.drop_table("replay_items")
    op.drop_table("replays")
    op.drop_table("retries")
