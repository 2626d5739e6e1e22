"""Which run of another store a merged run is."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One column more; what there is began here."""
    op.add_column("run", sa.Column("origin", sa.String(), server_default="", nullable=False))
    op.create_index("ix_run_origin", "run", ["origin"])
