"""Conflicts with the journal: strategies and days set aside because it holds other bytes."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from countersign.models.tables.columns import UTCDateTime

revision: str = "0012"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "journal_conflict",
        sa.Column("path", sa.String(), primary_key=True),
        sa.Column("strategy_id", sa.Integer(), sa.ForeignKey("strategy.id"), nullable=True),
        sa.Column("settlement_id", sa.Integer(), sa.ForeignKey("settlement.id"), nullable=True),
        sa.Column("found_at", UTCDateTime(), nullable=False),
    )
    op.create_index("ix_journal_conflict_strategy_id", "journal_conflict", ["strategy_id"])


def downgrade() -> None:
    """Undo."""
    op.drop_table("journal_conflict")
