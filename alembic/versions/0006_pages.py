"""Tables of pages to people."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DUE = sa.text("state IN ('waiting', 'failed')")
ALARMING = sa.text("next_at IS NOT NULL")
DANGER = sa.text("urgency = 'imminent' AND state NOT IN ('delivered', 'cancelled')")


def upgrade() -> None:
    """Go up."""
    _make_pages()
    op.create_table(
        "alarms",
        sa.Column("notice_id", sa.String(length=40), nullable=False),
        sa.Column("repeats", sa.Integer(), nullable=False),
        sa.Column(
            "next_at", sa.BigInteger(), nullable=True, comment="when it is repeated next; null once it has ended"
        ),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_alarms_notice_id")),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_alarms")),
        comment="Imminent notices, and how often they were repeated.",
    )
    op.create_index("ix_alarms_due", "alarms", ["next_at"], sqlite_where=ALARMING, postgresql_where=ALARMING)
    op.create_table(
        "heeded",
        sa.Column("notice_id", sa.String(length=40), nullable=False),
        sa.Column("caller", sa.String(length=40), nullable=False),
        sa.Column("heeded_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_heeded_notice_id")),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_heeded")),
        comment="Who was the first to acknowledge a notice.",
    )
    op.create_index("ix_notices_about", "notices", ["reason", "subject"])
    op.create_index("ix_deliveries_danger", "deliveries", ["created_at"], sqlite_where=DANGER, postgresql_where=DANGER)


def downgrade() -> None:
    """Go down."""
    op.drop_index("ix_deliveries_danger", "deliveries")
    op.drop_index("ix_notices_about", "notices")
    op.drop_table("heeded")
    op.drop_index("ix_alarms_due", "alarms")
    op.drop_table("alarms")
    for index in ("ix_pages_due", "ix_pages_started", "ix_pages_finished"):
        op.drop_index(index, "pages")
    op.drop_table("pages")


def _make_pages() -> None:
    op.create_table(
        "pages",
        sa.Column(
            "id", sa.String(length=40), nullable=False, comment="also the webhook-id, and the name in the Message-ID"
        ),
        sa.Column("notice_id", sa.String(length=40), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column(
            "repeat",
            sa.Integer(),
            nullable=False,
            comment="0 for the first, then each repeat of an imminent notice",
        ),
        sa.Column("severity", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.BigInteger(), nullable=False),
        sa.Column("give_up_at", sa.BigInteger(), nullable=False, comment="when trying ends, if it was tried at all"),
        sa.Column(
            "digest",
            sa.String(length=40),
            nullable=True,
            comment="the letter in which it was last sent together with others",
        ),
        sa.Column("started_at", sa.BigInteger(), nullable=True, comment="when the last attempt began"),
        sa.Column("lease", sa.String(length=40), nullable=True, comment="fencing token of the claim"),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("channel IN ('webhook', 'email')", name=op.f("ck_pages_channel_known")),
        sa.CheckConstraint("severity IN ('imminent', 'urgent', 'routine')", name=op.f("ck_pages_severity_known")),
        sa.CheckConstraint("state IN ('waiting', 'sent', 'failed', 'given_up')", name=op.f("ck_pages_state_known")),
        sa.ForeignKeyConstraint(["notice_id"], ["notices.id"], name=op.f("fk_pages_notice_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pages")),
        sa.UniqueConstraint("notice_id", "channel", "repeat", name=op.f("uq_pages_notice_id_channel_repeat")),
        comment="What people are to be told outside, through each channel.",
    )
    op.create_index("ix_pages_due", "pages", ["channel", "next_at"], sqlite_where=DUE, postgresql_where=DUE)
    op.create_index("ix_pages_started", "pages", ["channel", "started_at"])
    op.create_index("ix_pages_finished", "pages", ["channel", "state", "finished_at"])
