"""The stream of signals, read from ledger and lake: external signals as they came, our own once they are settled.

Nothing is kept for the stream: an event is made from committed data, so it is the same whenever it is made, but for
`commit`, which is null until the sealer commits, and for strategies hidden meanwhile, which are left out.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any, NamedTuple

import orjson
import polars as pl
import sqlalchemy as sa
from sqlmodel import Session, col, select

from countersign.domain.signals.streams import Cursor, Page, StreamEvent
from countersign.models.datasets import ORDERS, SIGNALS, Dataset
from countersign.models.errors import StoreError
from countersign.models.tables.attestation import Seal
from countersign.models.tables.external import ExternalSignal
from countersign.models.tables.settlement import Settlement
from countersign.models.tables.signals import Signal
from countersign.models.tables.strategies import Strategy
from countersign.services.external.reader import SHOWN, Wanted, newest_id, read_signals
from countersign.services.settlement.inputs import read_files
from countersign.store.home import Home
from countersign.store.lens.cache import Cache

# Farthest that a reader is taken back; one that was away for longer gets a notice.
MOST_EXTERNAL, MOST_SETTLEMENTS = 10_000, 20
HELD_BYTES = 64 * 1024 * 1024
DIRECTIONS = {"LONG": 1, "SHORT": -1}
# Fields of an external signal beside the four of all signals; not the time when it was last seen, which changes.
SAID = tuple(name for name in SHOWN if name not in {"last_seen_at", "ask"})


class Proof(NamedTuple):
    """Proof of a strategy's signal; `commit` is null until the sealer commits."""

    slug: str
    revision: int
    signal_hash: str
    received_at: datetime
    commit: str | None


class Streams:
    """Reads pages of events, for any number of threads."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._settled = Cache[pl.DataFrame](HELD_BYTES, lambda frame: int(frame.estimated_size()))

    def head(self) -> Cursor:
        """Return the place after all events."""
        with self._home.ledger.read() as db:
            return _head(db)

    def oldest(self, wanted: Cursor) -> Cursor:
        """Return the place from which a reader at `wanted` goes on: a later one if that is too long ago."""
        with self._home.ledger.read() as db:
            external = _back(db, col(ExternalSignal.id), MOST_EXTERNAL)
            settlement = _back(db, col(Settlement.id), MOST_SETTLEMENTS, _head(db).settlement)
        return Cursor(max(wanted.external, external - 1), *max(wanted.own, (settlement, 0, 0)))

    def page(self, after: Cursor, through: Cursor | None, limit: int) -> Page:
        """Read up to `limit` events after a place and up to another, by default all that is there.

        External ones come first. Settlements whose files cannot be read are waited for: the watchdog settles them
        again.
        """
        with self._home.ledger.read() as db:
            end = through or _head(db)
            if after == end:
                return Page((), after, more=False)
            rows = read_signals(db, Wanted(all_revisions=True), after.external, limit)
            events, at = [], after
            for row in rows:
                if row["id"] <= end.external:
                    at = at._replace(external=row["id"])
                    events.append(_external(at, row))
            if len(events) == limit:
                return Page(tuple(events), at, more=True)
            at = at._replace(external=end.external)
            try:
                own, place = self._own(db, at, end, limit - len(events))
            except StoreError:
                own, place = [], at
        return Page((*events, *own), place, more=place not in {end, at})

    def _own(self, db: Session, after: Cursor, end: Cursor, limit: int) -> tuple[list[StreamEvent], Cursor]:
        """Return our own events after a place, and the place after them; hidden ones count towards the limit."""
        events: list[StreamEvent] = []
        between = col(Settlement.id).between(after.settlement, end.settlement)
        for settlement in db.exec(select(Settlement).where(between).order_by(col(Settlement.id))):
            if (settlement.id, 0, 0) >= end.own:
                break
            begin = after.own[1:] if settlement.id == after.settlement else (0, 0)
            last = end.own[1:] if settlement.id == end.settlement else None
            rows = _between(self._events(settlement), begin, last).head(limit)
            limit -= rows.height
            events += self._encode(db, settlement, rows, after.external)
            if not limit:
                place = Cursor(after.external, settlement.id, *rows.select("strategy_id", "n").row(-1))
                return events, place
        return events, end

    def _encode(self, db: Session, settlement: Settlement, rows: pl.DataFrame, external: int) -> list[StreamEvent]:
        proofs = _proofs(db, settlement.session, set(rows["strategy_id"]))
        said = {
            "kind": "own",
            "simulated": self._home.clock.simulated,
            "session": settlement.session,
            "version": settlement.version,
            "settled_at": settlement.settled_at,
        }
        return [
            _own(Cursor(external, settlement.id, strategy, n), proofs[strategy], symbol, signal, weight, said)
            for strategy, n, symbol, signal, weight in rows.iter_rows()
            if strategy in proofs
        ]

    def _events(self, settlement: Settlement) -> pl.DataFrame:
        """Return the events of a settlement for each strategy that signalled, hidden ones too, in order.

        Columns strategy_id, n (from 1 within each strategy), symbol, signal (1 bought, -1 sold, 0 neither), weight
        (wanted). Its symbols are those of the signal and those it had orders in.
        """
        return self._settled.get(None, settlement.id, lambda: self._read_events(settlement))

    def _read_events(self, settlement: Settlement) -> pl.DataFrame:
        lake, files = self._home.lake, orjson.loads(settlement.manifest)["files"]

        def read(dataset: Dataset) -> pl.DataFrame:
            # By their names: a correction may have superseded them since.
            return read_files(
                lake, dataset, [each["path"] for each in files if each["path"].split("/")[0] == dataset.name]
            )

        key = ["strategy", "symbol"]
        wanted = read(SIGNALS).filter(pl.col("revision") == pl.col("revision").max().over("strategy"))
        sign = pl.when(pl.col("filled") <= 0).then(0).when(pl.col("side") == "buy").then(1).otherwise(-1)
        traded = read(ORDERS).select(*key, sign.alias("signal")).join(wanted, on="strategy", how="semi")
        events = wanted.select(*key, "weight").join(traded, on=key, how="full", coalesce=True)
        with lake.ledger.read() as db:
            numbers = [tuple(row) for row in db.exec(select(Strategy.slug, Strategy.id))]
        schema = {"strategy": pl.String, "strategy_id": pl.Int64}
        return (
            events.join(pl.DataFrame(numbers, schema=schema, orient="row"), on="strategy")
            .sort("strategy_id", "symbol")
            .select(
                "strategy_id",
                pl.int_range(1, pl.len() + 1).over("strategy_id").alias("n"),
                "symbol",
                pl.col("signal").fill_null(0),
                pl.col("weight").fill_null(0.0),
            )
        )


def _head(db: Session) -> Cursor:
    # A correction ends with the newest session. Until then it is waited for: its days do not fit together yet.
    last = select(Settlement.id).order_by(col(Settlement.session).desc(), col(Settlement.id).desc()).limit(1)
    newest = db.exec(last).first()
    return Cursor(newest_id(db), newest + 1 if newest else 0)


def _back(db: Session, number: Any, count: int, before: int | None = None) -> int:
    """Return the id of the oldest of the newest `count` rows, of those before an id; 0 where there are fewer."""
    query = sa.select(number).order_by(number.desc()).offset(count - 1).limit(1)
    return db.execute(query if before is None else query.where(number < before)).scalar() or 0


def _between(events: pl.DataFrame, begin: tuple[int, int], last: tuple[int, int] | None) -> pl.DataFrame:
    """Return the events after one place within a settlement and up to another."""
    strategy, n = pl.col("strategy_id"), pl.col("n")
    later = (strategy > begin[0]) | ((strategy == begin[0]) & (n > begin[1]))
    if last is None:
        return events.filter(later)
    return events.filter(later & ((strategy < last[0]) | ((strategy == last[0]) & (n <= last[1]))))


def _proofs(db: Session, session: date, strategies: Collection[int]) -> dict[int, Proof]:
    """Return proofs of the signals of public strategies, by the strategies' ids: of the revision that counts."""
    columns = (Strategy.id, Strategy.slug, Signal.revision, Signal.signal_hash, Signal.received_at, Seal.commit_sha)
    query = (
        sa.select(*(col(column) for column in columns))
        .join(Signal, col(Signal.strategy_id) == col(Strategy.id))
        .outerjoin(Seal, col(Seal.signal_id) == col(Signal.id))
        .where(col(Strategy.is_public).is_(True), col(Signal.session) == session)
        .where(col(Strategy.id).in_(strategies))
        .order_by(col(Signal.revision))
    )
    return {number: Proof(*rest) for number, *rest in db.execute(query)}


def _external(at: Cursor, row: dict[str, Any]) -> StreamEvent:
    said = {
        "time": int(row["published_at"].timestamp()),
        "symbol": f"{row['coin']}-{row['currency']}",
        "signal": DIRECTIONS[row["direction"]],
        "model": row["source"],
        "kind": "external",
    }
    data = _bytes(at, said | {name: row[name] for name in SAID})
    return StreamEvent("external", row["source"], row["coin"], row["exchange"], data)


def _own(at: Cursor, proof: Proof, symbol: str, signal: int, weight: float, said: dict[str, Any]) -> StreamEvent:
    first = {"time": int(proof.received_at.timestamp()), "symbol": symbol, "signal": signal, "model": proof.slug}
    proven = {"revision": proof.revision, "signal_hash": proof.signal_hash, "commit": proof.commit}
    return StreamEvent("own", proof.slug, None, None, _bytes(at, first | said | {"weight": weight} | proven))


def _bytes(at: Cursor, said: dict[str, Any]) -> bytes:
    return b"id: %b\ndata: %b\n\n" % (str(at).encode(), orjson.dumps(said))
