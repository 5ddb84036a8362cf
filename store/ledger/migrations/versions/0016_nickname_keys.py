"""Nicknames that look the same are one: a unique key, whatever their case or Unicode form.

Of those that share a key the oldest account keeps its name, and each younger one gets `user_` and its id: nothing rests
on a nickname but how people are told apart, and a version that refused would leave no command to rename with, as all
of them want the new schema. Owners are told, and the audit log names both names. `unclaimed` is the platform's own: a
person who has it gets another name too, however old the account.
"""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from alembic import op

from countersign.models.names import nickname_key
from countersign.models.tables.accounts import UNCLAIMED
from countersign.models.tables.columns import UTCDateTime
from countersign.models.tables.operations import OPERATOR
from countersign.store.clock import wall_clock

revision: str = "0016"
down_revision: str | None = "0015"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

INDEX = "ix_user_nickname_key"
USER = sa.table("user", *map(sa.column, ("id", "nickname", "nickname_key", "password_hash", "disabled_at")))
KEY = sa.table("api_key", sa.column("user_id"))
AUDIT = sa.table("audit_entry", *map(sa.column, ("actor", "action", "subject", "detail")), sa.column("at", UTCDateTime))
NOTICE = sa.table(
    "notification", *map(sa.column, ("user_id", "key", "kind", "text")), sa.column("created_at", UTCDateTime)
)


def upgrade() -> None:
    """Apply."""
    # Not by a table made anew, as SQLite would have it: all others point at this one. No row of ours keeps the default.
    op.add_column("user", sa.Column("nickname_key", sa.String(), server_default="", nullable=False))
    db, now, taken = op.get_bind(), wall_clock(), set[str]()
    keys = sa.exists().where(KEY.c.user_id == USER.c.id)
    enters = sa.or_(USER.c.disabled_at.is_(None), USER.c.password_hash.is_not(None), keys)
    rows = db.execute(sa.select(USER.c.id, USER.c.nickname, enters.label("enters"))).all()
    people = {number for number, _, enters in rows if enters}
    for number, nickname, _ in sorted(rows, key=lambda row: (row.nickname != UNCLAIMED, row.id)):
        name, key = nickname, nickname_key(nickname)
        if key in taken or (key == UNCLAIMED and number in people):
            name = _free_name(number, taken | {nickname_key(row.nickname) for row in rows})
            key = nickname_key(name)
            _tell(number, nickname, name, now)
        taken.add(key)
        db.execute(sa.update(USER).where(USER.c.id == number).values(nickname=name, nickname_key=key))
    op.create_index(INDEX, "user", ["nickname_key"], unique=True)


def _free_name(number: int, taken: set[str]) -> str:
    name = f"user_{number}"
    while name in taken:
        name += "x"
    return name


def _tell(number: int, old: str, new: str, now: datetime) -> None:
    db, text = op.get_bind(), f"your nickname {old} is now {new}: another account has one that looks the same"
    told = {"user_id": number, "key": f"renamed {number}", "kind": "account_changed", "text": text, "created_at": now}
    db.execute(sa.insert(NOTICE).values(**told))
    line = {"actor": OPERATOR, "action": "nickname changed", "subject": f"account:{number}", "at": now}
    db.execute(
        sa.insert(AUDIT).values(**line, detail=f"{old} became {new}: another account has one that looks the same")
    )


def downgrade() -> None:
    """Undo; names stay as they are."""
    op.drop_index(INDEX, table_name="user")
    op.drop_column("user", "nickname_key")
