"""Outcomes of external signals, and files of the lake by series."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# Both databases rename a column in place; Alembic's batch would copy the largest table for it on SQLite.
RENAME = "ALTER TABLE lake_file RENAME COLUMN {} TO {}"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "external_outcome",
        sa.Column("signal_id", sa.Integer(), nullable=False),
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("change", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("r_multiple", sa.Float(), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("target1_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("target2_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("target3_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["signal_id"],
            ["external_signal.id"],
        ),
        sa.PrimaryKeyConstraint("signal_id"),
    )
    op.create_index("ix_external_outcome_change", "external_outcome", ["change"], unique=False)
    op.drop_index("ix_lake_file_factor", table_name="lake_file")
    op.execute(RENAME.format("factor", "series"))
    op.create_index("ix_lake_file_series", "lake_file", ["series", "dataset"], unique=False)


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_lake_file_series", table_name="lake_file")
    op.execute(RENAME.format("series", "factor"))
    op.create_index("ix_lake_file_factor", "lake_file", ["factor", "dataset"], unique=False)
    op.drop_index("ix_external_outcome_change", table_name="external_outcome")
    op.drop_table("external_outcome")
