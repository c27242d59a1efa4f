"""A consent is stored in a phase that may be stored: what was only heard, and what time alone makes of one, never is."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

KNOWN = "ck_consents_state_known"
STORED = "state IN ('pending', 'standing', 'narrowed', 'withdrawn', 'lapsed', 'erased')"
NAMED = "state IN ('given', 'pending', 'standing', 'narrowed', 'withdrawn', 'expired', 'lapsed', 'erased')"


def upgrade() -> None:
    """Go up."""
    _check(STORED)


def downgrade() -> None:
    """Go down."""
    _check(NAMED)


def _check(condition: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f(KNOWN), "consents", type_="check")
        op.create_check_constraint(op.f(KNOWN), "consents", condition)
        return
    # SQLite changes no constraint in place. Nothing points to consents, so that making the table anew drops nothing; it
    # is spelt out here with its keys and its index, because reading it back would forget the constraint's name.
    table = sa.Table(
        "consents",
        sa.MetaData(),
        sa.Column("id", sa.String(length=40), nullable=False),
        sa.Column("person_id", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        # With the column rather than the table: so the way back to before there were phases can drop it in place.
        sa.Column("state", sa.String(length=10), sa.CheckConstraint(condition, name=op.f(KNOWN)), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["persons.id"], name=op.f("fk_consents_person_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sa.Index(op.f("ix_consents_person_id"), "person_id"),
    )
    with op.batch_alter_table("consents", copy_from=table, recreate="always"):
        pass
