"""Ends of strategies in the journal."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "retirement",
        sa.Column("strategy_id", sa.Integer(), nullable=False),
        sa.Column("commit_sha", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["strategy_id"], ["strategy.id"]),
        sa.PrimaryKeyConstraint("strategy_id"),
    )
    op.create_index("ix_strategy_retired_at", "strategy", ["retired_at"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_strategy_retired_at", table_name="strategy")
    op.drop_table("retirement")
