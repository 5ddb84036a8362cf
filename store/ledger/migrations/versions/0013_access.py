"""The login that a new password spares, and the key that an address was added with."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("user", sa.Column("kept_login", sa.String(), nullable=True))
    # In plain words: SQLite would have the table made anew, and cannot drop the old one while deliveries point at it.
    op.execute(
        "ALTER TABLE address ADD COLUMN key_id INTEGER CONSTRAINT fk_address_key_id_api_key REFERENCES api_key (id)"
    )


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("address") as table:
        table.drop_constraint("fk_address_key_id_api_key", type_="foreignkey")
        table.drop_column("key_id")
    op.drop_column("user", "kept_login")
