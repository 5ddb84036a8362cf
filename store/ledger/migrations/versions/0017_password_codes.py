"""The code with which an account that has no other way in sets a password, once."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from countersign.models.tables.columns import UTCDateTime

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("user", sa.Column("code_hash", sa.String(), nullable=True))
    op.add_column("user", sa.Column("code_expires_at", UTCDateTime(), nullable=True))
    op.create_index("ix_user_code_hash", "user", ["code_hash"], unique=True)


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_user_code_hash", table_name="user")
    op.drop_column("user", "code_expires_at")
    op.drop_column("user", "code_hash")
