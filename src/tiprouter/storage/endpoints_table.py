"""Which tables hold the life of an agency's endpoint, and what does each column hold?

A private key to show at an endpoint is sealed under the recipient's data key; nothing in here is about a person.
"""

import sqlalchemy as sa

from tiprouter.domain.endpoint import MessageForm
from tiprouter.domain.endpoint_states import ChangeState, EndpointState
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_PROPOSED = sa.text("state = 'proposed'")
_ASKED = sa.text("check_at IS NOT NULL")
_LOOKED = sa.text("look_at IS NOT NULL")
_WAITS = sa.text("finished_at IS NULL")

endpoints = sa.Table(
    "endpoints",
    metadata,
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), primary_key=True),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("since", Moment, nullable=False, comment="when it came into this state"),
    sa.Column("verified_at", Moment, comment="when it last proved itself"),
    sa.Column("check_at", Moment, comment="when it is asked next; null while it is, or where nobody asks"),
    sa.Column("looked_at", Moment, nullable=False, comment="what ends was told of up to this moment"),
    sa.Column("look_at", Moment, comment="when the next end is to be told of"),
    sa.Index("ix_endpoints_check_at", "check_at", sqlite_where=_ASKED, postgresql_where=_ASKED),
    sa.Index("ix_endpoints_look_at", "look_at", sqlite_where=_LOOKED, postgresql_where=_LOOKED),
    one_of("state", EndpointState),
    comment="What is known of each recipient's endpoint.",
)

endpoint_changes = sa.Table(
    "endpoint_changes",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("revision", sa.Integer, nullable=False, comment="of the recipient that it was proposed against"),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("wanted", sa.JSON, nullable=False, comment="the recipient as it would be"),
    sa.Column("changes", sa.JSON, nullable=False, comment="the names of what differs"),
    sa.Column("proposed_by", Id, nullable=False),
    sa.Column("proposed_at", Moment, nullable=False),
    sa.Column("confirm_until", Moment, nullable=False),
    sa.Column("ended_by", Id),
    sa.Column("ended_at", Moment),
    sa.Index(
        "ix_endpoint_changes_proposed",
        "recipient_id",
        unique=True,
        sqlite_where=_PROPOSED,
        postgresql_where=_PROPOSED,
    ),
    sa.Index("ix_endpoint_changes_recipient", "recipient_id", "id"),
    one_of("state", ChangeState),
    comment="Changes of endpoints: proposed by one person, confirmed by another.",
)

endpoint_messages = sa.Table(
    "endpoint_messages",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False),
    sa.Column("form", sa.String(10), nullable=False),
    sa.Column("change_id", Id, sa.ForeignKey("endpoint_changes.id")),
    sa.Column("target", sa.JSON(none_as_null=True), comment="the recipient as it was, where the message is for that"),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Moment, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.Column("result", sa.String(20), comment="what came of the last attempt"),
    sa.Column("status", sa.Integer),
    sa.Column("duration_ms", sa.Integer),
    sa.Index("ix_endpoint_messages_next_at", "next_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
    sa.Index("ix_endpoint_messages_recipient_id", "recipient_id", "id"),
    one_of("form", MessageForm),
    comment="What the router says to endpoints beside disclosures: challenges, changes, tests.",
)

client_keys = sa.Table(
    "client_keys",
    metadata,
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), primary_key=True),
    sa.Column("certificate", sa.String(64), primary_key=True, comment="SHA-256 of the certificate's PEM text, in hex"),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    comment="Private keys of the certificates that are shown at endpoints.",
)

openings = sa.Table(
    "openings",
    metadata,
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), primary_key=True),
    sa.Column("at", Moment, primary_key=True),
    comment="When the breaker of each recipient opened.",
)
