"""Fields that no item of a feed's newest answer had."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("poll_state", sa.Column("missing_fields", sa.String(), server_default="", nullable=False))


def downgrade() -> None:
    """Undo."""
    op.drop_column("poll_state", "missing_fields")
