"""Which weights a finished run's figures are of."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One column more; of the runs that there are it is not known."""
    op.add_column("run", sa.Column("end_step", sa.Integer()))
