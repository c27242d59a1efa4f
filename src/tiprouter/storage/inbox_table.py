"""Which payloads did an agency pull and not answer yet?"""

import sqlalchemy as sa

from tiprouter.storage.columns import Id, Moment, metadata

taken = sa.Table(
    "taken",
    metadata,
    sa.Column("delivery_id", Id, sa.ForeignKey("deliveries.id"), primary_key=True),
    sa.Column("recipient_id", Id, sa.ForeignKey("recipients.id"), nullable=False, index=True),
    sa.Column("at", Moment, nullable=False, comment="when it was pulled last"),
    comment="Pulled and not acknowledged: the agency may have lost it since, so its inbox still shows it.",
)
