"""claims: the NAV histories that researchers claim."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "claimed_performance",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("strategy_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("data_points", sa.Integer(), nullable=False),
        sa.Column("uploaded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("superseded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("records", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["strategy_id"], ["strategy.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("strategy_id", "revision"),
    )
    with op.batch_alter_table("claimed_performance", schema=None) as batch_op:
        batch_op.create_index("ix_claimed_performance_current", ["superseded_at", "strategy_id"], unique=False)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("claimed_performance", schema=None) as batch_op:
        batch_op.drop_index("ix_claimed_performance_current")
    op.drop_table("claimed_performance")
