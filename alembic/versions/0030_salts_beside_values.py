"""The salts of the log's commitments are sealed with the values: a program from before cannot read such seals."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

SALTED = b"\x03"
"""The first byte of such a seal."""

TABLES = (
    "revisions",
    "disclosures",
    "acknowledgements",
    "duty_calls",
    "duty_letters",
    "duty_requests",
    "grants",
    "questions",
    "retries",
)


def upgrade() -> None:
    """Go up: nothing changes but what may be read. What was sealed before stays as it is, without a salt."""


def downgrade() -> None:
    """Go down, unless something is sealed so: it would look broken, and nobody could tell it from what is."""
    for name in TABLES:
        column = sa.column("sealed", sa.LargeBinary())
        first = sa.func.substr(column, 1, 1)
        some = sa.select(sa.literal(1)).select_from(sa.table(name, column)).where(first == SALTED).limit(1)
        if op.get_bind().execute(some).first() is not None:
            reason = f"{name} has seals that a program from before revision 0030 cannot read; restore a backup instead"
            raise RuntimeError(reason)
