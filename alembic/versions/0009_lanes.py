"""Lanes, breakers and paces: which delivery goes before which, and the line to each recipient.

What ended before is not passed on: people were told of it then.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

LANES = "lane IN ('imminent', 'again', 'first', 'retry')"
STATES = "state IN ('closed', 'open', 'probing', 'gone')"
DUE = "state IN ('queued', 'retrying')"
PROBED = sa.text("probe_at IS NOT NULL")


def upgrade() -> None:
    """Go up."""
    op.execute(
        "ALTER TABLE deliveries ADD COLUMN lane VARCHAR(8) DEFAULT 'first' NOT NULL"
        f" CONSTRAINT ck_deliveries_lane_known CHECK ({LANES})"
    )
    _flag("parked", "it is not looked at for its own time, but when the line to its recipient may be tried")
    _flag("pass_on", "it will not arrive: the duties it was made for are to go on to the next recipient")
    op.execute(
        "UPDATE deliveries SET lane = CASE WHEN urgency = 'imminent' AND attempts = 0 THEN 'imminent'"
        " WHEN urgency = 'imminent' THEN 'again' WHEN attempts = 0 THEN 'first' ELSE 'retry' END"
        " WHERE state IN ('queued', 'claimed', 'retrying', 'announced')"
    )
    op.drop_index("ix_deliveries_due", "deliveries")
    _index("lane", ["lane", "next_at", "id"], f"{DUE} AND NOT parked", f"{DUE} AND parked = 0")
    _index("lane_each", ["lane", "recipient_id", "next_at", "id"], f"{DUE} AND NOT parked", f"{DUE} AND parked = 0")
    _index("parked", ["recipient_id", "lane", "next_at", "id"], f"{DUE} AND parked", f"{DUE} AND parked = 1")
    _index("pass_on", ["id"], "pass_on", "pass_on = 1")
    _lines()


def downgrade() -> None:
    """Go down: what was parked is due when its own time says."""
    op.drop_table("lines")
    for name in ("pass_on", "parked", "lane_each", "lane"):
        op.drop_index(f"ix_deliveries_{name}", "deliveries")
    for name in ("pass_on", "parked", "lane"):
        op.drop_column("deliveries", name)
    op.create_index(
        "ix_deliveries_due", "deliveries", ["next_at"], sqlite_where=sa.text(DUE), postgresql_where=sa.text(DUE)
    )


def _flag(name: str, comment: str) -> None:
    op.add_column(
        "deliveries", sa.Column(name, sa.Boolean(), nullable=False, server_default=sa.false(), comment=comment)
    )


def _index(name: str, columns: list[str], where: str, where_sqlite: str) -> None:
    op.create_index(
        f"ix_deliveries_{name}",
        "deliveries",
        columns,
        sqlite_where=sa.text(where_sqlite),
        postgresql_where=sa.text(where),
    )


def _lines() -> None:
    op.create_table(
        "lines",
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False, comment="of the recipient that all this was learnt of"),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("pauses", sa.Integer(), nullable=False, comment="in a row"),
        sa.Column("since", sa.BigInteger(), nullable=True, comment="when it opened, closed or was found gone"),
        sa.Column(
            "probe_at",
            sa.BigInteger(),
            nullable=True,
            comment="when the next probe may go, or the one that is out is lost",
        ),
        sa.Column("probe", sa.String(length=40), nullable=True, comment="fencing token of the attempt that probes"),
        sa.Column("free_at", sa.BigInteger(), nullable=True, comment="what the recipient's pace remembers"),
        sa.Column(
            "release",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="what is parked is to be looked at",
        ),
        sa.CheckConstraint(STATES, name=op.f("ck_lines_state_known")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_lines_recipient_id")),
        sa.PrimaryKeyConstraint("recipient_id", name=op.f("pk_lines")),
        comment="A breaker and a pace for each recipient that something was tried to be sent to.",
    )
    op.create_index("ix_lines_probe_at", "lines", ["probe_at"], sqlite_where=PROBED, postgresql_where=PROBED)
