"""Market: market data from files, from the sample, from a provider.

In each case bars are checked for structure, staged one file a session, and made to count by one transaction. The
same again changes nothing. Bars of a session replace its earlier bars whole; index levels, universe members and
corporate actions are added to what is there, row by row.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import polars as pl
from sqlmodel import select

from countersign.domain.market.bars import (
    chain_factors,
    fund_level,
    normalise_actions,
    normalise_bars,
    normalise_index_levels,
    normalise_universe,
)
from countersign.domain.market.instruments import is_taken, refusal
from countersign.domain.market.profiles.reading import understand
from countersign.domain.market.remarks import remarks_on
from countersign.domain.market.simulation import simulate
from countersign.domain.tables import SYMBOL
from countersign.models.datasets import BARS, INDEX_LEVELS, Dataset
from countersign.models.enums import Universe
from countersign.models.errors import ConflictError, InputError, SourceRefused
from countersign.models.tables.market import CorporateAction, UniverseMember
from countersign.models.tables.operations import HomeFact
from countersign.services.market.instruments import put_instruments
from countersign.services.settlement.inputs import read_marks
from countersign.services.settlement.settled import settled_before
from countersign.sources.files.loose_files import read_loose
from countersign.sources.files.tables import read_checked
from countersign.sources.market.providers import MarketProvider
from countersign.store.home import Home
from countersign.store.market import (
    SAMPLE,
    add_known_levels,
    audit_import,
    claim_sample,
    known_members,
    newest_level,
    stage_sessions,
    upsert,
)

MOST_NAMED = 10


@dataclass(frozen=True)
class Imported:
    """Counts of an import. `changed` are sessions (bars, levels) or rows that are new or different; 0: none.

    `remarks` name in order the columns that a profile took, the rows it left out, and oddities of the bars.
    """

    what: str
    rows: int
    since: date
    until: date
    changed: int
    remarks: tuple[str, ...] = ()


def import_bars(home: Home, path: Path, now: datetime, *, profile: str | None = None) -> Imported:
    """Import bars from a Parquet or CSV file with our columns, or from a tool's export (domain.market.profiles).

    With a `profile` the path may be a folder of files. InputError names the fault; nothing is kept then.
    """

    def check(frame: pl.DataFrame) -> pl.DataFrame:
        return normalise_bars(frame, home.sessions.days)

    remarks: list[str] = []
    if profile is None:
        bars = read_checked(path, check)
    else:
        tables, found = read_loose(path)
        frame, taken = understand(tables, profile)
        bars, remarks = check(frame), found + taken
    remarks += _remarks(home, bars)
    return replace(_keep(home, BARS, bars, path.name, now), remarks=tuple(remarks))


def _remarks(home: Home, bars: pl.DataFrame) -> list[str]:
    newest = bars["session"][-1]
    day_before = home.sessions.previous(newest)
    before = bars.filter(pl.col("session") == day_before)
    if before.is_empty() and day_before:
        before = home.lake.read(BARS, day_before)
    with home.ledger.read() as db:
        has_actions = db.exec(select(CorporateAction.symbol).limit(1)).first() is not None
    return remarks_on(bars, before, has_actions=has_actions)


def import_index(home: Home, path: Path, now: datetime) -> Imported:
    """Import index levels; levels of other indices on the same sessions stay."""
    levels = read_checked(path, lambda frame: normalise_index_levels(frame, home.sessions.days))
    return _keep(home, INDEX_LEVELS, add_known_levels(home.lake, levels), path.name, now)


def import_universe(home: Home, path: Path, now: datetime) -> Imported:
    """Import universe members. A row of the same universe, symbol and since takes the place of the earlier one.

    InputError if a member's spans would overlap, those already known included.
    """
    members = read_checked(path, normalise_universe)
    with home.ledger.write() as db:
        known = known_members(db).join(members, on=["universe", "symbol", "since"], how="anti")
        if known.height:
            normalise_universe(pl.concat([members, known]))
        changed = upsert(db, UniverseMember, members)
        audit_import(db, "universe", path.name, changed, now)
    return _imported("universe", members, changed, "since")


def import_actions(home: Home, path: Path, now: datetime) -> Imported:
    """Import corporate actions. A row of the same symbol and session takes the place of the earlier one."""
    actions = read_checked(path, lambda frame: normalise_actions(frame, home.sessions.days))
    with home.ledger.write() as db:
        changed = upsert(db, CorporateAction, actions)
        audit_import(db, "corporate actions", path.name, changed, now)
    return _imported("corporate actions", actions, changed)


def simulate_market(
    home: Home, now: datetime, *, symbols: int = 800, sessions: int = 500, seed: int = 1, end: date | None = None
) -> list[Imported]:
    """Fill a home with the sample market: `sessions` sessions up to `end` (default: the newest closed one).

    The home remembers that its market is made up, and how. ConflictError on a home that holds anything else.
    """
    last = home.sessions.require(end, "end") if end else home.sessions.newest_closed(now)
    days = home.sessions.between(home.sessions.days[0], last)[-sessions:] if sessions > 0 else []
    sample = simulate(symbols, days, seed)
    description = f"symbols {symbols}, sessions {len(days)} to {last}, seed {seed}"
    with home.ledger.read() as db:
        if db.get(HomeFact, SAMPLE) is None and home.lake.sessions(BARS):
            raise ConflictError("this home holds bars that were imported; the sample market needs a home of its own")
    files = [
        *stage_sessions(home.lake, BARS, sample.bars),
        *stage_sessions(home.lake, INDEX_LEVELS, sample.index_levels),
    ]
    with home.ledger.write() as db:
        claim_sample(db, description)
        changed = home.lake.commit(db, files, now)
        changed += upsert(db, UniverseMember, sample.universes)
        changed += upsert(db, CorporateAction, sample.actions)
        changed += put_instruments(db, sample.instruments)
        audit_import(db, SAMPLE, description, changed, now)
    return [
        _imported("bars", sample.bars, changed),
        _imported("index levels", sample.index_levels, changed),
        _imported("universe", sample.universes, changed, "since"),
        *([_imported("corporate actions", sample.actions, changed)] if sample.actions.height else []),
    ]


def ingest(home: Home, provider: MarketProvider, session: date, now: datetime) -> list[Imported]:
    """Fetch a closed session's index levels and bars and make them count together.

    InputError for a session that has not closed; SourceBusy and SourceRefused as the provider says, or if its answer is
    no table of bars or levels.
    """
    if session > home.sessions.newest_closed(now):
        raise InputError("session", "one that has closed", session)
    home.sessions.require(session)
    fetched_levels = provider.fetch_index_levels(session)
    fetched_bars, remarks = _leave_out_others(provider.fetch_bars(session))
    levels = _understand("index levels", normalise_index_levels, fetched_levels, session)
    bars = _understand("bars", normalise_bars, fetched_bars.drop("pre_close", strict=False), session)
    marks = _marks_before(home, session)
    previous = home.sessions.previous(session)
    if "pre_close" in fetched_bars.columns and previous:
        bars = chain_factors(bars, fetched_bars.select("symbol", "pre_close"), marks, previous)
    levels = _with_fund_level(home, session, bars, add_known_levels(home.lake, levels), marks)
    files = [home.lake.stage(BARS, session, bars), home.lake.stage(INDEX_LEVELS, session, levels)]
    with home.ledger.write() as db:
        changed = [home.lake.commit(db, [file], now) for file in files]
        audit_import(db, "session", str(session), sum(changed), now)
    imported = replace(_imported("bars", bars, min(changed[0], 1)), remarks=remarks)
    return [imported, _imported("index levels", levels, min(changed[1], 1))]


def _leave_out_others(bars: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Leave out rows of no share or fund, with a remark: a whole market must not fail for a bond in it."""
    if "symbol" not in bars.columns or bars["symbol"].dtype != pl.String:
        return bars, ()
    distinct = bars["symbol"].drop_nulls().unique()
    others = distinct.filter(distinct.str.contains(SYMBOL) & ~is_taken(distinct)).sort()
    if others.is_empty():
        return bars, ()
    named = "; ".join(str(refusal(symbol)) for symbol in others.head(MOST_NAMED))
    more = f"; and {others.len() - MOST_NAMED} more" if others.len() > MOST_NAMED else ""
    kept = bars.filter(~pl.col("symbol").is_in(others.implode()))
    return kept, (f"left out, as they are no shares or exchange-traded funds: {named}{more}",)


def _understand(
    what: str, normalise: Callable[[pl.DataFrame, list[date]], pl.DataFrame], fetched: pl.DataFrame, session: date
) -> pl.DataFrame:
    try:
        return normalise(fetched, [session])
    except InputError as error:
        raise SourceRefused(f"the provider's {what} of {session} make no sense: {error}") from error


def _marks_before(home: Home, session: date) -> pl.DataFrame:
    with home.ledger.read() as db:
        settled = settled_before(db, home.sessions, session)
    return read_marks(home.lake, settled, session)


def _with_fund_level(
    home: Home, session: date, bars: pl.DataFrame, levels: pl.DataFrame, marks: pl.DataFrame
) -> pl.DataFrame:
    """Add the level of all funds, for which no index is published, unless the provider or an earlier import has one."""
    index = str(Universe.ETF_ALL)
    if index in levels["index"]:
        return levels
    level = fund_level(bars, marks, newest_level(home.lake, index, session))
    own = pl.DataFrame({"index": [index], "session": [session], "close": [level]}, schema=levels.schema)
    return pl.concat([levels, own.drop_nulls()])


def _keep(home: Home, dataset: Dataset, frame: pl.DataFrame, subject: str, now: datetime) -> Imported:
    before = {file.session: file.sha256 for file in home.lake.files(dataset, frame["session"][0], frame["session"][-1])}
    files = stage_sessions(home.lake, dataset, frame)
    changed = sum(before.get(file.session) != file.sha256 for file in files)
    with home.ledger.write() as db:
        home.lake.commit(db, files, now)
        audit_import(db, dataset.name, subject, changed, now)
    return _imported(dataset.name, frame, changed)


def _imported(what: str, frame: pl.DataFrame, changed: int, day: str = "session") -> Imported:
    days = frame.get_column(day)
    since, until = days.min(), days.max()
    if not isinstance(since, date) or not isinstance(until, date):
        raise InputError(what, "at least one row", "none")
    return Imported(what, frame.height, since, until, changed)
