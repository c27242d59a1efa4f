"""Which tables hold what people asked to be tried again, and what does each column hold?

A person's note is sealed under the record's key; every other column holds ids, closed vocabulary, numbers or times.
"""

import sqlalchemy as sa

from tiprouter.domain.recovery import Became, RetryReason
from tiprouter.domain.replay_states import ReplayState
from tiprouter.domain.states import DeliveryState
from tiprouter.domain.vocabulary import Urgency
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_UNFINISHED = sa.text("state IN ('proposed', 'running')")
_WAITS = sa.text("became = 'waiting'")

retries = sa.Table(
    "retries",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("delivery_id", Id, sa.ForeignKey("deliveries.id"), nullable=False, index=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("became", sa.String(12), nullable=False),
    sa.Column("made_id", Id, sa.ForeignKey("deliveries.id"), comment="the new delivery, where one was made"),
    sa.Column("asked_by", Id, nullable=False),
    sa.Column("asked_at", Moment, nullable=False),
    sa.Column("sealed", sa.LargeBinary, comment="what the person wrote beside the reason"),
    one_of("reason", RetryReason),
    one_of("became", Became),
    comment="Deliveries that one person asked to be tried again, and what became of it.",
)

replays = sa.Table(
    "replays",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("since", Moment, nullable=False),
    sa.Column("until", Moment, nullable=False, comment="deliveries made before this moment"),
    sa.Column("states", sa.JSON, nullable=False),
    sa.Column("reason", sa.String(20), nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("proposed_by", Id, nullable=False),
    sa.Column("proposed_at", Moment, nullable=False),
    sa.Column("confirmed_by", Id),
    sa.Column("confirmed_at", Moment),
    sa.Column("stopped_by", Id),
    sa.Column("ended_at", Moment),
    sa.Column("urgency", sa.String(10), comment="deliveries of this urgency; null for any"),
    sa.Column("result", sa.String(24), comment="deliveries whose last attempt ended so; null for any"),
    sa.Column("record_id", Id, comment="deliveries about this record; null for any"),
    sa.Index(
        "ix_replays_unfinished",
        "recipient_id",
        unique=True,
        sqlite_where=_UNFINISHED,
        postgresql_where=_UNFINISHED,
    ),
    one_of("reason", RetryReason),
    one_of("state", ReplayState),
    one_of("urgency", Urgency),
    comment="Replays of one agency's deliveries: proposed by one person, confirmed by another.",
)

replay_items = sa.Table(
    "replay_items",
    metadata,
    sa.Column("replay_id", Id, sa.ForeignKey("replays.id"), primary_key=True),
    sa.Column("delivery_id", Id, sa.ForeignKey("deliveries.id"), primary_key=True),
    sa.Column("record_id", Id, sa.ForeignKey("records.id"), nullable=False),
    sa.Column("found", sa.String(12), nullable=False, comment="the delivery's state when the replay was proposed"),
    sa.Column("became", sa.String(12), nullable=False),
    sa.Column("made_id", Id, sa.ForeignKey("deliveries.id"), comment="the new delivery, where one was made"),
    sa.Column("done_at", Moment),
    sa.Index(
        "ix_replay_items_waiting",
        "replay_id",
        "delivery_id",
        sqlite_where=_WAITS,
        postgresql_where=_WAITS,
    ),
    one_of("found", DeliveryState),
    one_of("became", Became),
    comment="What a replay is about: fixed when it is proposed, so that what is confirmed is what was counted.",
)
