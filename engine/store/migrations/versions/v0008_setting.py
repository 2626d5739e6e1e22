"""A study's run is found by its setting without reading those of the others."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One index in place of another, which it serves as too."""
    op.create_index("ix_run_study_setting", "run", ["study", "setting"])
    op.drop_index("ix_run_study", "run")
