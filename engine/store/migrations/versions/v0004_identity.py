"""A store has an identity, and says which folder is its own; a run says whether convtui trained it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table and one column more. The identity's row is written when the store is opened."""
    op.create_table(
        "identity",
        sa.Column("id", sa.Integer(), primary_key=True, nullable=False),
        sa.Column("identity", sa.String(), nullable=False),
        sa.Column("folder", sa.String(), nullable=False),
        sa.Column("copied_from", sa.String(), nullable=False),
    )
    op.add_column("run", sa.Column("kind", sa.String(), server_default="training", nullable=False))
