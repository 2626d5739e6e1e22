"""The steps from every older store to the newest, for Alembic."""
