"""Instruments: listings, delistings and the value of a delisted share."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "instrument",
        sa.Column("symbol", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("board", sa.String(), nullable=True),
        sa.Column("listed", sa.Date(), nullable=True),
        sa.Column("delisted", sa.Date(), nullable=True),
        sa.Column("delisting_cash", sa.Float(), nullable=True),
        sa.Column("successor", sa.String(), nullable=True),
        sa.Column("successor_ratio", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("symbol"),
    )
    op.create_index("ix_instrument_listed", "instrument", ["listed"])
    op.create_index("ix_instrument_delisted", "instrument", ["delisted"])


def downgrade() -> None:
    """Undo."""
    op.drop_index("ix_instrument_delisted", "instrument")
    op.drop_index("ix_instrument_listed", "instrument")
    op.drop_table("instrument")
