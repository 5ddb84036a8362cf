"""Planning a settlement: its inputs from ledger and market, and the version that they make."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
import polars as pl

from countersign.domain.market.rules import FIRST_BOOK_SHA256, rules_sha256
from countersign.domain.provenance import frame_sha256, object_sha256, write_rows
from countersign.domain.settlement.corrections import MARKET, changed_inputs
from countersign.models.datasets import BARS, INDEX_LEVELS
from countersign.models.enums import Severity
from countersign.models.quality import Finding
from countersign.models.tables.settlement import Settlement
from countersign.services.settlement.corrections import levels_again
from countersign.services.settlement.inputs import files_before, read_actions, read_files
from countersign.services.settlement.quality import inspect_bars
from countersign.services.settlement.settled import last_strategy_id, settlement_of, signal_hashes
from countersign.services.settlement.terms import read_terms
from countersign.store.home import Home


@dataclass(frozen=True)
class LedgerInputs:
    """Inputs of a session that are in the ledger, with its settlement and that of the session before it.

    `was` and `base` are the inputs of those two settlements, empty without one.
    """

    settled: Settlement | None
    before: Settlement | None
    was: dict[str, Any]
    base: dict[str, Any]
    last_id: int
    terms: pl.DataFrame
    signals: list[str]
    actions: pl.DataFrame

    @property
    def previous(self) -> date | None:
        """Session that settling rests on; None: the one before is not settled."""
        return self.before.session if self.before else None

    @property
    def rests_on(self) -> str:
        """Hash of the settlement that settling rests on; empty without one."""
        return self.before.manifest_sha256 if self.before else ""


def read_ledger_inputs(home: Home, session: date) -> LedgerInputs:
    """Read the inputs that are in the ledger, all as of one moment."""
    with home.ledger.read() as db:
        settled, before = settlement_of(db, session), settlement_of(db, home.sessions.previous(session))
        last_id = last_strategy_id(db)
        return LedgerInputs(
            settled,
            before,
            _inputs_of(settled),
            _inputs_of(before),
            last_id,
            terms=read_terms(db, session, 0, last_id),
            signals=signal_hashes(db, session),
            actions=read_actions(db, session),
        )


def market_as_settled(home: Home, known: LedgerInputs) -> dict[str, Any]:
    """Name the market that the session was settled with; its levels begin with those of the session before."""
    market = {name: known.was[name] for name in MARKET if name in known.was}
    if known.before and known.was["previous"] != known.rests_on:
        market["index_files"] = levels_again(home.lake, known.before.session, known.was, known.base)
    return market


def market_now(home: Home, session: date, known: LedgerInputs) -> tuple[dict[str, Any], list[Finding]]:
    """Name the market that counts now, and the findings of the quality gate that hold the session."""
    files = _market_files(home, session, known.previous)
    while True:
        seen, looked = files, inspect_bars(home, session)
        files = _market_files(home, session, known.previous)
        if files == seen:  # else bars were imported meanwhile, and the checked bars are not those that count now
            faults = [finding for finding in looked.findings if finding.severity is Severity.HOLD]
            return {"actions": write_rows(known.actions), **files, **looked.evidence.inputs()}, faults


def all_inputs(home: Home, session: date, known: LedgerInputs, market: dict[str, Any]) -> dict[str, Any]:
    """Name the market, and by hash all that settling reads."""
    # A session settled under the first edition of the book is settled again under it, corrected or not.
    first_book = known.was.get("rules") == FIRST_BOOK_SHA256
    return {
        **market,
        "bars": frame_sha256(read_files(home.lake, BARS, market["bars_files"])),
        "index_levels": frame_sha256(read_files(home.lake, INDEX_LEVELS, market["index_files"])),
        "rules": FIRST_BOOK_SHA256 if first_book else rules_sha256(session),
        "signals": object_sha256(known.signals),
        "terms": frame_sha256(known.terms),
        "previous": known.rests_on,
    }


def version_of(session: date, known: LedgerInputs, inputs: dict[str, Any], *, correct: bool) -> tuple[int, str | None]:
    """Number the version that these inputs make, and name the correction it belongs to; None: to none.

    It is a correction of its own, or that of the session it rests on.
    """
    if known.settled is None:
        return 1, None
    if not changed_inputs(session, known.was, inputs, correct=correct):
        return known.settled.version, known.was.get("corrected")
    version = known.settled.version + 1
    own = f"{session}.{version}"
    return version, own if correct else known.base.get("corrected", own)


def _inputs_of(settlement: Settlement | None) -> dict[str, Any]:
    inputs: dict[str, Any] = orjson.loads(settlement.manifest)["inputs"] if settlement else {}
    return inputs


def _market_files(home: Home, session: date, previous: date | None) -> dict[str, list[str]]:
    return {
        "bars_files": [file.path for file in home.lake.files(BARS, session, session)],
        # Without a session settled before, they name the newest earlier bars.
        "earlier_bars_files": [] if previous else [file.path for file in files_before(home.lake, session)],
        "index_files": [file.path for file in home.lake.files(INDEX_LEVELS, home.sessions.previous(session), session)],
    }
