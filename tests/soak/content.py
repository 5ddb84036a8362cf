"""Content that two homes that lived the same plan must have in common, though one of them was harmed.

Left out are the parts that chance decides, beside the salts, which are the same: commits and their hashes, accounts,
row numbers of signals, and other people's signals, which come by the machine's clock.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlmodel import SQLModel, col, select

from countersign.models.lens.tables import LENS_TABLES
from countersign.models.tables.attestation import Disclosure, Seal
from countersign.models.tables.lake import LakeFile
from countersign.models.tables.market import CorporateAction
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import StatusChange, Strategy
from countersign.store.home import Home
from countersign.store.lens.reader import open_lens
from tests.support.journals import files_of

OWN = {"id", "owner_id", "strategy_id"}
# `seconds` is how long settling took; the others say which file was hashed, and when.
MEASURED = {"seconds", "checked_as", "checked_at"}
COMMITS = {"commit_sha", "commit_time"}
EXTERNAL = "external_"
# Files of a journal about itself.
HEAD_FILES = {"README.md", "allowed_signers"}


def journal(home: Home) -> dict[str, bytes]:
    """Return the files of the journal's newest commit."""
    return {path: content for path, content in files_of(home.path / "journal").items() if path not in HEAD_FILES}


def ledger(home: Home) -> dict[str, list[str]]:
    """Return the rows of the ledger's tables, in words and sorted."""
    with home.ledger.read() as db:
        slugs = dict(db.execute(sa.select(col(Strategy.id), col(Strategy.slug))).all())
        tables: dict[str, list[Any]] = {
            "strategy": [(row.id, _fields(row)) for row in db.exec(select(Strategy))],
            **{
                table.__tablename__: [(slugs[row.strategy_id], _fields(row)) for row in db.exec(select(table))]
                for table in (StatusChange, Signal)
            },
            "seal": [
                (slugs[seal.strategy_id], signal.session, signal.revision, seal.previous, seal.commit_sha is not None)
                for seal, signal in db.exec(select(Seal, Signal).where(col(Signal.id) == col(Seal.signal_id)))
            ],
            **{
                table.__tablename__: [_fields(row) for row in db.exec(select(table))]
                for table in (Settlement, LakeFile, CorporateAction)
            },
            "disclosure": list(
                db.exec(select(Settlement.session, Settlement.version).where(Settlement.id == Disclosure.settlement_id))
            ),
        }
    return {name: sorted(map(str, rows)) for name, rows in tables.items()}


def lens(home: Home, *, whole: bool = False) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of the published lens's tables, sorted; `whole`: also the parts that chance decides."""
    with open_lens(home.path) as opened, opened.use() as db:
        return {
            table.name: db.execute(f"SELECT {', '.join(columns)} FROM {table.name} ORDER BY ALL").fetchall()  # noqa: S608
            for table, columns in _shown(whole=whole)
        }


def _shown(*, whole: bool) -> Iterator[tuple[Any, list[str]]]:
    for table in LENS_TABLES:
        if whole or not table.name.startswith(EXTERNAL):
            yield table, [f'"{name}"' for name in table.columns if whole or name not in COMMITS]


def _fields(row: SQLModel) -> str:
    fields = {name: getattr(row, name) for name in type(row).model_fields if name not in OWN | MEASURED}
    return json.dumps(fields, default=str, sort_keys=True)
