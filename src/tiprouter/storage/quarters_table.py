"""Which table keeps what was published of each quarter?"""

import sqlalchemy as sa

from tiprouter.storage.columns import Moment, metadata

quarters = sa.Table(
    "quarters",
    metadata,
    sa.Column("quarter", sa.String(7), primary_key=True, comment="such as 2026-Q1, of UTC"),
    sa.Column("threshold", sa.Integer, nullable=False),
    sa.Column("tables", sa.JSON, nullable=False, comment="counts with the withheld cells already left out"),
    sa.Column("frozen_at", Moment, nullable=False),
    comment="What was published of each quarter: never counted anew, so that two answers never differ.",
)
