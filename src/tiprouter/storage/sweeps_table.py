"""Which table keeps what is still to be looked through, because an agency or a bundle is another?"""

import sqlalchemy as sa

from tiprouter.domain.routing import Reach
from tiprouter.storage.columns import Id, Moment, metadata, one_of

sweeps = sa.Table(
    "sweeps",
    metadata,
    sa.Column("id", Id, primary_key=True),
    sa.Column("reach", sa.String(10), nullable=False, comment="which records may be touched"),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), comment="the agency; null where a bundle changed"),
    sa.Column("cause", sa.String(40), nullable=False, comment="why what it finds is decided again"),
    sa.Column("after", Id, nullable=False, comment="the last record that was looked at; empty at the beginning"),
    sa.Column("begun_at", Moment, nullable=False),
    one_of("reach", Reach),
    comment="What a change of an agency or a bundle may touch and nobody has looked at yet; gone once all was.",
)
