"""Which setting of which study a run is for."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Two columns more; the runs that there are belong to no study."""
    op.add_column("run", sa.Column("study", sa.String(), server_default="", nullable=False))
    op.add_column("run", sa.Column("setting", sa.String(), server_default="", nullable=False))
    op.create_index("ix_run_study", "run", ["study"])
