"""Which key wrapped what: versions of data keys, and the services' own secrets like everything else."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go up."""
    op.add_column(
        "data_keys",
        sa.Column(
            "version", sa.Integer(), server_default="1", nullable=False, comment="counts the keys this owner has had"
        ),
    )
    op.add_column(
        "secrets",
        sa.Column(
            "wrapped", sa.LargeBinary(), comment="its data key; null where that still stands before what it sealed"
        ),
    )
    op.add_column(
        "secrets",
        sa.Column(
            "kek_id", sa.String(length=40), comment="which key-encryption key wrapped it; null where that was not noted"
        ),
    )
    # 40 bytes are what AES key wrap makes of 32; until now they stood before what their key sealed.
    op.execute("UPDATE secrets SET wrapped = substr(sealed, 1, 40), sealed = substr(sealed, 41)")


def downgrade() -> None:
    """Go down. What was wrapped elsewhere than by the first key file, or sealed since, is shut for the older version."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("UPDATE secrets SET sealed = wrapped || sealed")
    else:
        # SQLite joins bytes to text; cast back they are the same bytes.
        op.execute("UPDATE secrets SET sealed = CAST(wrapped || sealed AS BLOB)")
    op.drop_column("secrets", "kek_id")
    op.drop_column("secrets", "wrapped")
    op.drop_column("data_keys", "version")
