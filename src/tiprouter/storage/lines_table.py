"""What is known of the line to each recipient's endpoint, for all processes?"""

import sqlalchemy as sa

from tiprouter.domain.breaker import BreakerState
from tiprouter.storage.columns import Id, Moment, metadata, one_of

_PROBED = sa.text("probe_at IS NOT NULL")

lines = sa.Table(
    "lines",
    metadata,
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), primary_key=True),
    sa.Column("revision", sa.Integer, nullable=False, comment="of the recipient that all this was learnt of"),
    sa.Column("state", sa.String(8), nullable=False),
    sa.Column("failures", sa.Integer, nullable=False, comment="in a row"),
    sa.Column("pauses", sa.Integer, nullable=False, comment="in a row"),
    sa.Column("since", Moment, comment="when it opened, closed or was found gone"),
    sa.Column("probe_at", Moment, comment="when the next probe may go, or the one that is out is lost"),
    sa.Column("probe", sa.String(40), comment="fencing token of the attempt that probes"),
    sa.Column("free_at", Moment, comment="what the recipient's pace remembers"),
    sa.Column(
        "release", sa.Boolean, nullable=False, server_default=sa.false(), comment="what is parked is to be looked at"
    ),
    sa.Index("ix_lines_probe_at", "probe_at", sqlite_where=_PROBED, postgresql_where=_PROBED),
    one_of("state", BreakerState),
    comment="A breaker and a pace for each recipient that something was tried to be sent to.",
)
