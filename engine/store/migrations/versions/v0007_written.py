"""How many rows an attempt has written."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One column more; attempts of before write no more."""
    op.add_column("attempt", sa.Column("written", sa.Integer(), server_default="0", nullable=False))
