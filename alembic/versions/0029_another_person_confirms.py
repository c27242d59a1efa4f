"""Who made a credential, and what waits for another person's word before it can be used."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

WAITS = "for another person's word"
COLUMNS = {
    "callers": (
        ("made_by", sa.String(length=40), "the person who made it; null where nobody knows any more"),
        ("waits", sa.Boolean(), WAITS),
        ("next_jwks", sa.JSON(), "public keys that wait for another person's word"),
        ("next_by", sa.String(length=40), "the person who gave those"),
        ("next_at", sa.BigInteger(), "when they did"),
    ),
    "api_keys": (
        ("made_by", sa.String(length=40), "the person who made it and saw its secret"),
        ("waits", sa.Boolean(), WAITS),
        ("overlap_days", sa.Integer(), "how long the others stay good once that is said"),
    ),
    "accounts": (("waits", sa.Boolean(), WAITS),),
}


def upgrade() -> None:
    """Go up: what is there waits for nobody, and who made it is not known."""
    for table, columns in COLUMNS.items():
        for name, kind, comment in columns:
            if name == "waits":
                op.add_column(table, sa.Column(name, kind, nullable=False, server_default=sa.false(), comment=comment))
            else:
                op.add_column(table, sa.Column(name, kind, nullable=True, comment=comment))


def downgrade() -> None:
    """Go down: what waits would be open to one person, so it ends."""
    op.execute("UPDATE callers SET revoked_at = created_at WHERE waits AND revoked_at IS NULL")
    op.execute("DELETE FROM api_keys WHERE waits")
    op.execute("UPDATE accounts SET state = 'ended', invitation = NULL, name_index = NULL WHERE waits")
    for table, columns in COLUMNS.items():
        for name, _, _ in reversed(columns):
            op.drop_column(table, name)
