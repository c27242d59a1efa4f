"""What is kept of each delivery and of each of its attempts?

Allowed values of a state column derive from the state table in `domain/states.py`.
"""

import sqlalchemy as sa

from tiprouter.domain.lanes import Lane
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import AttemptKind, Urgency
from tiprouter.storage.columns import Id, Moment, metadata, one_of
from tiprouter.storage.log_tables import told

WAITS = sa.text("state IN ('announced', 'queued', 'retrying')")
"""Nobody holds it, and it has not ended. Spelt out, so that the planner sees the partial indexes of these words."""

_DUE = sa.text("state IN ('queued', 'retrying') AND NOT parked")
_DUE_SQLITE = sa.text("state IN ('queued', 'retrying') AND parked = 0")
_LATE = sa.text("state = 'delivered' AND finished_at > deadline")
_SNIPPET = sa.text("sealed IS NOT NULL")
_UNMET = sa.text("state NOT IN ('delivered', 'cancelled')")

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", Id, primary_key=True, comment="also the webhook-id"),
    sa.Column("disclosure_id", Id, sa.ForeignKey("disclosures.id"), nullable=False, unique=True),
    sa.Column("matter_id", Id, sa.ForeignKey("matters.id"), nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False, index=True),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("urgency", sa.String(10), nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Moment, nullable=False),
    sa.Column("deadline", Moment, nullable=False, comment="when it is late"),
    sa.Column("warn_at", Moment, comment="when a human is told that it may be late; null once told"),
    sa.Column("deliver_by", Moment, nullable=False, comment="when trying ends"),
    sa.Column("basis", sa.String(80), nullable=False, comment="what it was decided under: epoch, registry, bundle"),
    sa.Column("valid_until", Moment),
    sa.Column("lease", sa.String(40), comment="fencing token of the claim"),
    sa.Column("lease_until", Moment),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.Column(
        "noticed",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="what its persons are owed to be told of it is written down",
    ),
    sa.Column(
        "acknowledge_by",
        Moment,
        comment="when a human is told that its agency said nothing; null where nobody waits for that",
    ),
    sa.Index(
        "ix_deliveries_acknowledge_by",
        "acknowledge_by",
        sqlite_where=sa.text("acknowledge_by IS NOT NULL"),
        postgresql_where=sa.text("acknowledge_by IS NOT NULL"),
    ),
    sa.Index(
        "ix_deliveries_noticed",
        "finished_at",
        sqlite_where=sa.text("finished_at IS NOT NULL AND noticed = 0"),
        postgresql_where=sa.text("finished_at IS NOT NULL AND NOT noticed"),
    ),
    sa.Column("lane", sa.String(8), nullable=False, server_default=Lane.FIRST),
    sa.Column(
        "parked",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="it is not looked at for its own time, but when the line to its recipient may be tried",
    ),
    sa.Column(
        "pass_on",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="it will not arrive: the duties it was made for are to go on to the next recipient",
    ),
    sa.Index("ix_deliveries_lane", "lane", "next_at", "id", sqlite_where=_DUE_SQLITE, postgresql_where=_DUE),
    sa.Index(
        "ix_deliveries_lane_each",
        "lane",
        "recipient_id",
        "next_at",
        "id",
        sqlite_where=_DUE_SQLITE,
        postgresql_where=_DUE,
    ),
    sa.Index(
        "ix_deliveries_parked",
        "recipient_id",
        "lane",
        "next_at",
        "id",
        sqlite_where=sa.text("state IN ('queued', 'retrying') AND parked = 1"),
        postgresql_where=sa.text("state IN ('queued', 'retrying') AND parked"),
    ),
    sa.Index("ix_deliveries_pass_on", "id", sqlite_where=sa.text("pass_on = 1"), postgresql_where=sa.text("pass_on")),
    sa.Index(
        "ix_deliveries_warn",
        "warn_at",
        sqlite_where=sa.text("warn_at IS NOT NULL"),
        postgresql_where=sa.text("warn_at IS NOT NULL"),
    ),
    sa.Index(
        "ix_deliveries_claimed",
        "lease_until",
        sqlite_where=sa.text("lease IS NOT NULL"),
        postgresql_where=sa.text("lease IS NOT NULL"),
    ),
    sa.Index("ix_deliveries_matter", "matter_id", "sequence"),
    sa.Index("ix_deliveries_recipient", "recipient_id", "id"),
    sa.Index(
        "ix_deliveries_dead",
        "id",
        sqlite_where=sa.text("state IN ('exhausted', 'refused')"),
        postgresql_where=sa.text("state IN ('exhausted', 'refused')"),
    ),
    sa.Index(
        "ix_deliveries_danger",
        "created_at",
        sqlite_where=sa.text("urgency = 'imminent' AND state NOT IN ('delivered', 'cancelled')"),
        postgresql_where=sa.text("urgency = 'imminent' AND state NOT IN ('delivered', 'cancelled')"),
    ),
    sa.Index("ix_deliveries_waiting", "recipient_id", sqlite_where=WAITS, postgresql_where=WAITS),
    sa.Index("ix_deliveries_overdue", "deliver_by", sqlite_where=WAITS, postgresql_where=WAITS),
    sa.Index("ix_deliveries_late", "disclosure_id", sqlite_where=_LATE, postgresql_where=_LATE),
    sa.Index("ix_deliveries_unmet", "disclosure_id", sqlite_where=_UNMET, postgresql_where=_UNMET),
    one_of("lane", Lane),
    one_of("state", DeliveryState),
    one_of("urgency", Urgency),
)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("id", Id, told(), primary_key=True),
    sa.Column("delivery_id", Id, sa.ForeignKey("deliveries.id"), nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.Column("result", sa.String(24)),
    sa.Column("status", sa.Integer),
    sa.Column("sealed", sa.LargeBinary, comment="the first bytes of the answer"),
    sa.Column("kind", sa.String(8), nullable=False, server_default=AttemptKind.PUSH),
    sa.UniqueConstraint("delivery_id", "number"),
    sa.Index("ix_attempts_snippets", "finished_at", sqlite_where=_SNIPPET, postgresql_where=_SNIPPET),
    one_of("kind", AttemptKind),
)
