"""Whether a session is a browser's, so that its holder can tell their sessions apart."""

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

# The check stands with its column, so that neither database makes the table anew and both drop the two together.
CARRIER = """
ALTER TABLE sessions ADD COLUMN carrier VARCHAR(8)
CONSTRAINT ck_sessions_carrier_known CHECK (carrier IN ('browser', 'program'))
"""
COMMENT = "COMMENT ON COLUMN sessions.carrier IS 'browser or program; null for sessions from before it was kept'"


def upgrade() -> None:
    """Go up: what the sessions from before are carried by, nobody knows."""
    op.execute(CARRIER)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(COMMENT)


def downgrade() -> None:
    """Go down."""
    op.drop_column("sessions", "carrier")
