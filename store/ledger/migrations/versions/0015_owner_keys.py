"""Owners' keys of strategies, and their signatures of signals."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("strategy", sa.Column("owner_key", sa.String(), nullable=True))
    op.add_column("signal", sa.Column("owner_signature", sa.String(), nullable=True))


def downgrade() -> None:
    """Undo."""
    op.drop_column("signal", "owner_signature")
    op.drop_column("strategy", "owner_key")
