"""Settling again: every settled day of a journal from its revealed signals and the reader's own bars. Pure.

The state goes on from the recomputed session, not from the journal's, so one wrong session shows in all that follow;
only the first of a strategy is reported. Benchmarks are left out: no NAV depends on them.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import NamedTuple

import polars as pl

from countersign.domain.attestation.journal import DoubtKind, Fault, FaultKind
from countersign.domain.attestation.record_reader import Result, Reveal, SettledDay
from countersign.domain.attestation.records import strategy_sha256
from countersign.domain.market.actions import Action, actions_of, differences, unborne_actions
from countersign.domain.market.quotes import ACTIONS_SCHEMA, LISTINGS_SCHEMA
from countersign.domain.market.rules import Book, book_of
from countersign.domain.market.ticks import to_ticks
from countersign.domain.provenance import frame_sha256
from countersign.domain.settlement.books import BENCHMARKS_SCHEMA, SIGNALS_SCHEMA, TERMS_SCHEMA
from countersign.domain.settlement.delistings import DELISTINGS_SCHEMA
from countersign.domain.settlement.engine import Settled, settle
from countersign.domain.settlement.marks import newest_marks, next_marks
from countersign.domain.signals.payload import decode_portfolios
from countersign.domain.verification import published_listings
from countersign.domain.verification.check_signals import Records
from countersign.models.datasets import BARS, MARKS, NAV, POSITIONS
from countersign.models.errors import InputError

THREADS = 2


class Doubt(NamedTuple):
    """A doubt for the reader: no rule forbids it, and it makes nothing fail."""

    kind: DoubtKind
    detail: str
    session: str


class Replay(NamedTuple):
    """Result of settling again: the differences, the doubts, and the number of sessions compared."""

    faults: list[Fault]
    doubts: list[Doubt]
    sessions: int


class Inputs(NamedTuple):
    """Inputs of settling a day, but for the state; `bars_sha256` is the hash of the reader's bars."""

    terms: pl.DataFrame
    signals: pl.DataFrame
    bars: pl.DataFrame
    actions: pl.DataFrame
    listings: pl.DataFrame
    delistings: pl.DataFrame
    book: Book
    bars_sha256: str


def resettle(
    records: Records,
    bars: pl.DataFrame,
    actions: pl.DataFrame | None = None,
    instruments: pl.DataFrame | None = None,
) -> Replay:
    """Settle the newest version of every day again, and compare.

    `bars` as models.datasets.BARS, of all sessions; those before the first settled day give its marks. `actions` are
    the reader's own (symbol, session, cash, bonus), compared with the journal's for the symbols of the day, and so are
    `instruments` (domain.market.listings.INSTRUMENTS_SCHEMA) with its listings and delistings.
    Settling is one thread's work, session by session; other threads read the inputs and compare the results beside it.
    """
    days = records.newest_days()
    by_session = {key[0]: part for key, part in bars.partition_by("session", as_dict=True).items()}
    signals, nothing = _counting(records), bars.clear()
    published, sessions = (
        None if instruments is None else published_listings.read_published(instruments),
        sorted(by_session),
    )
    faults, doubts = list[Fault](), list[Doubt]()
    compared: list[tuple[SettledDay, Future[dict[str, str]]]] = []
    with ThreadPoolExecutor(THREADS) as threads:

        def prepare(day: SettledDay) -> Future[Inputs]:
            here = by_session.get(day.session, nothing)
            return threads.submit(_inputs, records, day, signals.get(day.session, ()), here)

        ahead = deque(prepare(day) for day in days[:THREADS])
        marks = _first_marks(bars, days[0]) if days else pl.DataFrame(schema=MARKS.schema)
        books, holdings = pl.DataFrame(schema=NAV.schema), pl.DataFrame(schema=POSITIONS.schema)
        for place, day in enumerate(days):
            ahead.extend(prepare(later) for later in days[place + THREADS : place + THREADS + 1])
            inputs = ahead.popleft().result()
            faults += _foreign_inputs(day, inputs)
            if inputs.bars.is_empty():
                break
            needed = {*holdings["symbol"], *inputs.signals["symbol"]}
            faults += _foreign_actions(day, actions, needed)
            doubts += _doubtful_actions(day, inputs, marks, needed)
            if published is not None:
                doubts += _doubtful_listings(day, inputs.book, published, needed, set(holdings["symbol"]), sessions)
            try:
                settled = _settle(day.session, inputs, books, holdings, marks)
            except InputError as error:
                detail = f"cannot be settled again: {error}"
                faults.append(Fault(FaultKind.NAV_MISMATCH, detail, session=str(day.session)))
                break
            compared.append((day, threads.submit(_compare, day, settled)))
            books, holdings = settled.nav, settled.positions
            marks = next_marks(day.session, marks, inputs.bars, inputs.actions, inputs.book)
        faults += _first_differences((day, different.result()) for day, different in compared)
    return Replay(faults, _once(doubts), len(compared))


def _first_differences(compared: Iterable[tuple[SettledDay, dict[str, str]]]) -> list[Fault]:
    """Report for each strategy the first session that differs, and how many do."""
    wrong: dict[str, list[tuple[date, str]]] = defaultdict(list)
    for day, different in compared:
        for slug, detail in different.items():
            wrong[slug].append((day.session, detail))
    faults = []
    for slug, [(session, detail), *later] in wrong.items():
        more = f" (and in {len(later)} later sessions)" if later else ""
        faults.append(Fault(FaultKind.NAV_MISMATCH, detail + more, strategy=slug, session=str(session)))
    return faults


def _inputs(records: Records, day: SettledDay, reveals: Sequence[Reveal], bars: pl.DataFrame) -> Inputs:
    here, bars_sha256 = _as_settled(bars.sort(BARS.sort), day)
    actions = pl.DataFrame(list(day.actions), schema=ACTIONS_SCHEMA, orient="row")
    return Inputs(
        terms=_terms(records, day),
        signals=_signals(records, day, reveals),
        bars=here,
        actions=actions,
        listings=pl.DataFrame(list(day.listings), schema=LISTINGS_SCHEMA, orient="row"),
        delistings=pl.DataFrame(list(day.delistings), schema=DELISTINGS_SCHEMA, orient="row"),
        book=book_of(day.rules_sha256, day.session) or Book.CURRENT,
        bars_sha256=bars_sha256,
    )


def _as_settled(bars: pl.DataFrame, day: SettledDay) -> tuple[pl.DataFrame, str]:
    """The reader's bars of a day and their hash: as they are, or brought to the tick as import does, whichever fits."""
    sha256 = frame_sha256(bars)
    if sha256 != day.bars_sha256:
        try:
            clean = to_ticks(bars)
        except InputError:  # no raw prices: reported as bars that are not those of the settlement
            return bars, sha256
        if frame_sha256(clean) == day.bars_sha256:
            return clean, day.bars_sha256
    return bars, sha256


def _first_marks(bars: pl.DataFrame, day: SettledDay) -> pl.DataFrame:
    """The marks before the first settled day, as settlement takes them where nothing was settled before."""
    earlier = bars.lazy().filter(pl.col("session") < day.session)
    return newest_marks(earlier, book_of(day.rules_sha256, day.session) or Book.CURRENT).collect()


def _foreign_inputs(day: SettledDay, inputs: Inputs) -> list[Fault]:
    """Say where the reader's bars or rules are not those that the day was settled with."""
    faults = []
    if inputs.bars_sha256 != day.bars_sha256:
        given = (
            "no bars were given for it" if inputs.bars.is_empty() else "the bars given are not those of its settlement"
        )
        faults.append(Fault(FaultKind.BARS_MISMATCH, given, session=str(day.session)))
    if book_of(day.rules_sha256, day.session) is None:
        detail = "settled under another rule book than this program's"
        faults.append(Fault(FaultKind.RULES_MISMATCH, detail, session=str(day.session)))
    return faults


def _foreign_actions(day: SettledDay, given: pl.DataFrame | None, needed: set[str]) -> list[Fault]:
    """Say where the journal's corporate actions are not the reader's, for symbols that were held or signalled."""
    if given is None:
        return []
    ours = {symbol: Action(cash, bonus) for symbol, cash, bonus in day.actions}
    theirs = actions_of(given.filter(pl.col("session") == day.session))
    told = differences(ours, theirs, needed)
    return [Fault(FaultKind.ACTIONS_MISMATCH, detail, session=str(day.session)) for detail in told]


def _doubtful_actions(day: SettledDay, inputs: Inputs, marks: pl.DataFrame, needed: set[str]) -> list[Doubt]:
    if inputs.actions.is_empty():
        return []
    symbols = needed.intersection(unborne_actions(inputs.actions, inputs.bars, marks))
    detail = "a corporate action that neither adj_factor nor open of the bars given bears out"
    return [Doubt(DoubtKind.UNBORNE_ACTION, f"{symbol}: {detail}", str(day.session)) for symbol in sorted(symbols)]


def _doubtful_listings(
    day: SettledDay,
    book: Book,
    published: Mapping[str, published_listings.Published],
    needed: set[str],
    held: set[str],
    sessions: Sequence[date],
) -> list[Doubt]:
    # The first edition of the rule book knew no listings.
    symbols = set[str]() if book is Book.FIRST else needed
    listed = published_listings.other_listings(day.session, day.listings, published, symbols, sessions)
    delisted = published_listings.other_delistings(day.session, day.delistings, published, held)
    told = {DoubtKind.OTHER_LISTING: listed, DoubtKind.OTHER_DELISTING: delisted}
    return [Doubt(kind, detail, str(day.session)) for kind, details in told.items() for detail in details]


def _once(doubts: Iterable[Doubt]) -> list[Doubt]:
    """Keep the first session of a doubt that comes again: a holding that nobody exchanges is there every day."""
    first: dict[tuple[str, str], Doubt] = {}
    for doubt in doubts:
        first.setdefault((doubt.kind, doubt.detail), doubt)
    return list(first.values())


def _settle(session: date, inputs: Inputs, books: pl.DataFrame, holdings: pl.DataFrame, marks: pl.DataFrame) -> Settled:
    return settle(
        session,
        terms=inputs.terms,
        books=books,
        holdings=holdings,
        signals=inputs.signals,
        bars=inputs.bars,
        marks=marks,
        actions=inputs.actions,
        listings=inputs.listings,
        delistings=inputs.delistings,
        book=inputs.book,
        benchmarks=pl.DataFrame(schema=BENCHMARKS_SCHEMA),
    )


def _counting(records: Records) -> dict[date, list[Reveal]]:
    """The signals that count: of each strategy and session the last revision, where it is the one that was sealed."""
    last: dict[tuple[str, date], int] = {}
    for slug, session, revision in records.seals:
        last[slug, session] = max(revision, last.get((slug, session), 0))
    counting = defaultdict(list)
    for (slug, session), revision in last.items():
        reveal, _ = records.reveals.get((slug, session, revision), (None, None))
        if reveal and reveal.hashed == records.seals[slug, session, revision][0].signal_hash:
            counting[session].append(reveal)
    return counting


def _terms(records: Records, day: SettledDay) -> pl.DataFrame:
    rows = []
    for result in day.results:
        if result.strategy in records.terms:
            terms, _ = records.terms[result.strategy]
            rows.append((*(getattr(terms, name) for name in list(TERMS_SCHEMA)[:-1]), result.paused))
    return pl.DataFrame(rows, schema=TERMS_SCHEMA, orient="row")


def _signals(records: Records, day: SettledDay, reveals: Sequence[Reveal]) -> pl.DataFrame:
    settled = {result.strategy for result in day.results} & records.terms.keys()
    ours = [reveal for reveal in reveals if reveal.strategy in settled]
    columns = {"strategy": [reveal.strategy for reveal in ours], "portfolio": [reveal.portfolio for reveal in ours]}
    texts = pl.DataFrame(columns, schema={"strategy": pl.String, "portfolio": pl.String})
    return decode_portfolios(texts).select(*SIGNALS_SCHEMA)


def _compare(day: SettledDay, settled: Settled) -> dict[str, str]:
    """Differences by strategy: in NAV (to the fen), then in cash, event, orders and positions."""
    again = settled.nav.select("strategy", pl.col("nav", "cash").cast(pl.String), "event")
    figures = {slug: (nav, cash, event) for slug, nav, cash, event in again.iter_rows()}
    slugs = [result.strategy for result in day.results]
    orders, positions = strategy_sha256(settled.orders, slugs), strategy_sha256(settled.positions, slugs)
    different = {}
    for result in day.results:
        detail = _difference(result, figures.get(result.strategy), orders, positions)
        if detail:
            different[result.strategy] = detail
    return different


def _difference(
    result: Result, again: tuple[str, str, str] | None, orders: dict[str, str], positions: dict[str, str]
) -> str:
    slug = result.strategy
    if again is None:
        return f"NAV {result.nav} in the journal; settled again it has none, having no signal"
    nav, cash, event = again
    if result.nav != nav:
        return f"NAV {result.nav} in the journal, {nav} settled again"
    pairs = {
        f"cash {result.cash} in the journal, {cash} settled again": result.cash == cash,
        f"{result.event} in the journal, {event} settled again": result.event == event,
        "the same NAV, but other orders": result.orders_sha256 == orders[slug],
        "the same NAV, but other positions": result.positions_sha256 == positions[slug],
    }
    return next((text for text, same in pairs.items() if not same), "")
