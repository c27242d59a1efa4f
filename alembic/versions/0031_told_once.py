"""A decision or an attempt is committed with exactly one entry of the log that tells of it, or not at all."""

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

TABLES = ("decisions", "attempts")
TOLD = "CONSTRAINT fk_{}_id FOREIGN KEY(id) REFERENCES log_told (subject) DEFERRABLE INITIALLY DEFERRED"


def upgrade() -> None:
    """Go up: what there is was told of, or `audit reconcile` says that it was not."""
    op.create_table(
        "log_told",
        sa.Column("subject", sa.String(length=40), nullable=False, comment="its id"),
        sa.PrimaryKeyConstraint("subject", name=op.f("pk_log_told")),
        comment="Which decisions and attempts have their entry: none has two.",
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # A story that is open would commit a row that was not there to be copied, and is behind the constraint then.
        op.execute(f"LOCK TABLE {', '.join(TABLES)} IN SHARE ROW EXCLUSIVE MODE")
    for table in TABLES:
        op.execute(f"INSERT INTO log_told (subject) SELECT id FROM {table}")  # noqa: S608 - a name of our own
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER TABLE {table} ADD {TOLD.format(table)}")
        else:
            _respell(table, "\n)", f", \n\t{TOLD.format(table)}\n)")


def downgrade() -> None:
    """Go down."""
    for table in TABLES:
        if op.get_bind().dialect.name == "postgresql":
            op.execute(f"ALTER TABLE {table} DROP CONSTRAINT fk_{table}_id")
        else:
            _respell(table, f", \n\t{TOLD.format(table)}\n)", "\n)")
    op.drop_table("log_told")


def _respell(table: str, end: str, other: str) -> None:
    """SQLite adds no constraint in place, and other tables point to these: its own way, where no row's bytes change.

    (https://sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema Changes".)
    """
    bind = op.get_bind()
    spelt = bind.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).scalar_one()
    version = bind.exec_driver_sql("PRAGMA schema_version").scalar_one()
    bind.exec_driver_sql("PRAGMA writable_schema = ON")
    changed = spelt.removesuffix(end) + other
    bind.exec_driver_sql("UPDATE sqlite_master SET sql = ? WHERE type = 'table' AND name = ?", (changed, table))
    bind.exec_driver_sql(f"PRAGMA schema_version = {version + 1}")
    bind.exec_driver_sql("PRAGMA writable_schema = RESET")
