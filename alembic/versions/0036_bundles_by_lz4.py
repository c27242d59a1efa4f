"""The log's bundles are compressed by lz4, where the PostgreSQL has it: four times cheaper to write (ADR 0051).

What is stored stays as it is, and is read as before; so nothing is written anew, and the version before goes on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

HAS_LZ4 = "SELECT 'lz4' = ANY(enumvals) FROM pg_settings WHERE name = 'default_toast_compression'"


def upgrade() -> None:
    """Go up."""
    if op.get_bind().dialect.name == "postgresql" and op.get_bind().execute(sa.text(HAS_LZ4)).scalar_one():
        op.execute(sa.text("ALTER TABLE log_tiles ALTER COLUMN tile SET COMPRESSION lz4"))


def downgrade() -> None:
    """Go down."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(sa.text("ALTER TABLE log_tiles ALTER COLUMN tile SET COMPRESSION default"))
