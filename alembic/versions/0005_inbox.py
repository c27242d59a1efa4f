"""Inboxes and thin mode: delivery modes, kinds of attempts, announced deliveries, what was pulled and not answered.

SQLite cannot change a constraint: the table is built anew, under the name that others refer to. What refers to it is
set aside meanwhile, because dropping a table that is referred to counts as breaking the reference.
"""

import re
from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BEFORE = "state IN ('queued', 'claimed', 'retrying', 'delivered', 'cancelled', 'exhausted', 'refused')"
AFTER = "state IN ('queued', 'claimed', 'retrying', 'delivered', 'cancelled', 'exhausted', 'refused', 'announced')"
WAITS = sa.text("state IN ('announced', 'queued', 'retrying')")
MODES = "delivery_mode IN ('push', 'thin', 'pull')"
KINDS = "kind IN ('push', 'announce', 'fetch')"


def upgrade() -> None:
    """Go up."""
    _let_states_be(BEFORE, AFTER)
    _add_word("recipients", "delivery_mode", 4, MODES)
    _add_word("attempts", "kind", 8, KINDS)
    op.create_index("ix_deliveries_waiting", "deliveries", ["recipient_id"], sqlite_where=WAITS, postgresql_where=WAITS)
    op.create_index("ix_deliveries_overdue", "deliveries", ["deliver_by"], sqlite_where=WAITS, postgresql_where=WAITS)
    op.create_table(
        "taken",
        sa.Column("delivery_id", sa.String(length=40), nullable=False),
        sa.Column("recipient_id", sa.String(length=40), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False, comment="when it was pulled last"),
        sa.ForeignKeyConstraint(["delivery_id"], ["deliveries.id"], name=op.f("fk_taken_delivery_id")),
        sa.ForeignKeyConstraint(["recipient_id"], ["recipients.id"], name=op.f("fk_taken_recipient_id")),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_taken")),
        comment="Pulled and not acknowledged: the agency may have lost it since, so its inbox still shows it.",
    )
    op.create_index(op.f("ix_taken_recipient_id"), "taken", ["recipient_id"])


def downgrade() -> None:
    """Go down: what was announced is queued again, and an agency that only pulls keeps a record without an endpoint."""
    op.drop_table("taken")
    op.drop_index("ix_deliveries_overdue", "deliveries")
    op.drop_index("ix_deliveries_waiting", "deliveries")
    op.drop_column("attempts", "kind")
    op.drop_column("recipients", "delivery_mode")
    op.execute("UPDATE deliveries SET state = 'queued' WHERE state = 'announced'")
    _let_states_be(AFTER, BEFORE)


def _add_word(table: str, column: str, length: int, check: str) -> None:
    """A column of a closed vocabulary, `push` for what is stored; the same words on both databases."""
    op.execute(
        f"ALTER TABLE {table} ADD COLUMN {column} VARCHAR({length}) DEFAULT 'push' NOT NULL "
        f"CONSTRAINT ck_{table}_{column}_known CHECK ({check})"
    )


def _let_states_be(old: str, new: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint(op.f("ck_deliveries_state_known"), "deliveries", type_="check")
        op.create_check_constraint(op.f("ck_deliveries_state_known"), "deliveries", sa.text(new))
        return
    attempts, indexes = _said("attempts")
    op.execute("CREATE TABLE attempts_aside AS SELECT * FROM attempts")
    op.execute("DROP TABLE attempts")
    _build_anew("deliveries", lambda said: _changed(said, old, new))
    for statement in (attempts, *indexes, "INSERT INTO attempts SELECT * FROM attempts_aside"):
        op.execute(statement)
    op.execute("DROP TABLE attempts_aside")


def _build_anew(table: str, changed: Callable[[str], str]) -> None:
    said, indexes = _said(table)
    op.execute(re.sub(rf'^CREATE TABLE "?{table}"?', f"CREATE TABLE {table}_anew", changed(said), count=1))
    op.execute(f"INSERT INTO {table}_anew SELECT * FROM {table}")  # noqa: S608 - our own names
    op.execute(f"DROP TABLE {table}")
    op.execute(f"ALTER TABLE {table}_anew RENAME TO {table}")
    for index in indexes:
        op.execute(index)


def _changed(said: str, old: str, new: str) -> str:
    if said.count(old) != 1:
        raise RuntimeError("the table is not as the migrations before this one left it")
    return said.replace(old, new)


def _said(table: str) -> tuple[str, list[str]]:
    """How SQLite was told to make a table, and its indexes."""
    query = sa.text("SELECT type, sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL")
    rows = op.get_bind().execute(query, {"name": table}).all()
    (made,) = (row.sql for row in rows if row.type == "table")
    return made, [row.sql for row in rows if row.type == "index"]
