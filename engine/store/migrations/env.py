"""What Alembic runs to migrate: on the connection, and in the transaction, that `schema.migrate` hands over."""

from alembic import context

from convtui.engine.store.tables import VERSION_TABLE, StoreTable

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=StoreTable.metadata,
    version_table=VERSION_TABLE,
    render_as_batch=True,
)
context.run_migrations()
