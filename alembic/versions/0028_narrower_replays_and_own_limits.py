"""What a replay is narrowed by, and what an agency itself can take."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

# The check stands with its column, so that neither database makes the table anew and both drop the two together.
URGENCY = """
ALTER TABLE replays ADD COLUMN urgency VARCHAR(10)
CONSTRAINT ck_replays_urgency_known CHECK (urgency IN ('imminent', 'standard'))
"""
COMMENT = "COMMENT ON COLUMN replays.urgency IS 'deliveries of this urgency; null for any'"
NARROWED = (
    ("result", 24, "deliveries whose last attempt ended so; null for any"),
    ("record_id", 40, "deliveries about this record; null for any"),
)
LIMITS = (
    ("max_per_second", "attempts that may begin in a second; null for the house's pace"),
    ("max_at_once", "attempts that may be under way, whoever makes them; null for each worker's places"),
)


def upgrade() -> None:
    """Go up: replays from before were about any, and no agency has limits of its own yet."""
    op.execute(URGENCY)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(COMMENT)
    for name, length, comment in NARROWED:
        op.add_column("replays", sa.Column(name, sa.String(length=length), nullable=True, comment=comment))
    for name, comment in LIMITS:
        op.add_column("recipients", sa.Column(name, sa.Integer(), nullable=True, comment=comment))


def downgrade() -> None:
    """Go down."""
    for name, _ in LIMITS:
        op.drop_column("recipients", name)
    for name, _, _ in reversed(NARROWED):
        op.drop_column("replays", name)
    op.drop_column("replays", "urgency")
