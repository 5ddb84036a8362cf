"""Checked files: the time of each file's last check, and its identity then."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from countersign.models.tables.columns import UTCDateTime

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("lake_file", sa.Column("checked_as", sa.String(), server_default="", nullable=False))
    op.add_column("lake_file", sa.Column("checked_at", UTCDateTime(), nullable=True))
    op.create_index("ix_lake_file_checked_at", "lake_file", ["checked_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_lake_file_checked_at", table_name="lake_file")
    op.drop_column("lake_file", "checked_at")
    op.drop_column("lake_file", "checked_as")
