"""Where do policy bundles and their approvals stand?"""

import sqlalchemy as sa

from tiprouter.domain.states import BundleState
from tiprouter.storage.columns import Id, Moment, metadata, one_of

bundles = sa.Table(
    "bundles",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False),
    sa.Column("version", sa.String(100), nullable=False),
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("state", sa.String(10), nullable=False),
    sa.Column("files", sa.JSON, nullable=False, comment="the complete texts, by file name"),
    sa.Column("files_digest", sa.String(64), nullable=False),
    sa.Column("engine", sa.String(100), nullable=False, comment="with which versions its digest was computed"),
    sa.Column("report", sa.JSON, comment="what the gate said last"),
    sa.Column("proposed_by", Id, nullable=False),
    sa.Column("proposed_at", Moment, nullable=False),
    sa.Column("activated_at", Moment),
    sa.Column("retired_at", Moment),
    sa.Column("replaced", sa.String(64), comment="the bundle whose place it took: where a rollback goes"),
    sa.Index(
        "ix_bundles_active",
        "state",
        unique=True,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    ),
    one_of("state", BundleState),
    comment="Every policy bundle that was ever proposed; decisions name them by digest.",
)

bundle_approvals = sa.Table(
    "bundle_approvals",
    metadata,
    sa.Column("digest", sa.String(64), sa.ForeignKey("bundles.digest"), primary_key=True),
    sa.Column("approver", Id, primary_key=True),
    sa.Column("against", sa.String(64), nullable=False, comment="the bundle that was active when it was approved"),
    sa.Column("newly_discloses", sa.Boolean, nullable=False, comment="the approver accepted that more may leave"),
    sa.Column("approved_at", Moment, nullable=False),
)
