"""How do migrations reach a database?

They are run by `tiprouter migrate` and at the start of `serve` through `storage/migrations.py`, which hands over an
open connection; there is no other way in, so no URL is configured here.
"""

from alembic import context

from tiprouter.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    compare_type=True,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=False,
)
with context.begin_transaction():
    context.run_migrations()
